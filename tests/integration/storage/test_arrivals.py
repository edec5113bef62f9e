"""A burst of arrivals: one transaction, every answer its own."""

import asyncio

import pytest

from bot.errors import Refused
from bot.storage.database import Database
from bot.storage.usage import Backlog
from inference.request import Recipe
from tests.joblog import JobLog


async def test_a_burst_is_recorded_in_order_and_in_few_transactions(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = 0
    write = Database.write

    def counted(*args, **values):
        nonlocal transactions
        transactions += 1
        return write(*args, **values)

    await log.received()
    monkeypatch.setattr(Database, "write", counted)
    recipes = [Recipe(prompt=str(number), seed=number) for number in range(500)]
    origins = [log.origin(user=number) for number in range(500)]
    answers = await asyncio.gather(
        *(
            log.jobs.receive(recipe=recipe, origin=origin)
            for recipe, origin in zip(recipes, origins, strict=True)
        )
    )
    assert transactions <= 3
    assert all(created for _, created in answers)
    assert [job.id for job, _ in answers] == list(range(2, 502))
    stored = await log.outbox.received()
    assert stored[1:] == [job for job, _ in answers]
    assert [job.recipe for job in stored[1:]] == recipes
    assert [job.origin for job in stored[1:]] == origins


async def test_replays_within_a_burst_and_across_bursts_are_one_job(log: JobLog) -> None:
    first, second = log.origin(), log.origin()
    recipe = Recipe(prompt="x")
    before, _ = await log.jobs.receive(recipe=recipe, origin=first)
    answers = await asyncio.gather(
        *(log.jobs.receive(recipe=recipe, origin=origin) for origin in (second, first, second))
    )
    assert [created for _, created in answers] == [True, False, False]
    assert answers[1][0] == before
    assert answers[0][0] == answers[2][0] != before


async def test_what_is_unfinished_is_counted_within_a_burst_too(log: JobLog) -> None:
    await log.running(user=1)
    await log.queued(user=1)
    await log.received(user=2)
    await log.done(guild=2, user=1)

    seen: list[tuple[int, int]] = []

    def admit(backlog: Backlog) -> None:
        seen.append((backlog.member, backlog.guild))
        if backlog.member >= 3:
            raise Refused("full")

    origins = [log.origin(1, 1), log.origin(1, 1), log.origin(1, 2), log.origin(2, 1)]
    answers = await asyncio.gather(
        *(
            log.jobs.receive(recipe=Recipe(prompt="x"), origin=origin, admit=admit)
            for origin in origins
        ),
        return_exceptions=True,
    )
    assert seen == [(2, 3), (3, 4), (1, 4), (0, 0)]
    assert [isinstance(answer, Refused) for answer in answers] == [False, True, False, False]
    recorded = [job.origin for job in await log.outbox.received()]
    assert recorded[1:] == [origins[0], *origins[2:]]


async def test_arrivals_go_before_everything_else_that_waits(log: JobLog) -> None:
    ids = [(await log.received()).id for _ in range(20)]
    done: list[str] = []

    async def other(job_id: int) -> None:
        await log.outbox.set_message(job_id, 5)
        done.append("other")

    async def arrival() -> None:
        await log.received()
        done.append("arrival")

    others = [asyncio.create_task(other(job_id)) for job_id in ids]
    await asyncio.sleep(0)  # all of them wait, but for one
    await arrival()
    await asyncio.gather(*others)
    assert done.index("arrival") <= 2


async def test_who_waits_hears_of_a_failure_and_the_next_one_does_not(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_values: object) -> None:
        raise OSError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", broken)
        answers = await asyncio.gather(*(log.received() for _ in range(3)), return_exceptions=True)
        assert [str(answer) for answer in answers] == ["disk I/O error"] * 3
    await log.received()


async def test_a_caller_that_gives_up_does_not_disturb_the_others(log: JobLog) -> None:
    impatient = asyncio.create_task(log.received())
    patient = asyncio.create_task(log.received())
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
