"""The job log: what is recorded comes back, and only legal moves happen."""

import asyncio
import sqlite3
from datetime import timedelta
from functools import partial

import pytest

from bot.errors import Gone, Refused
from bot.model import LEGAL_MOVES, DeliveryState, IllegalMove, JobStatus, Origin, OriginKind, Run
from bot.storage.usage import Charge, Load
from inference.request import Recipe
from tests.joblog import HOUR, JobLog, png, run

EVERYTHING = Recipe(
    prompt="Füchse 🦊 “und” ‘'\"; DROP TABLE jobs",
    negative_prompt="blurry",
    strength=0.35,
    steps=33,
    guidance=7.5,
    seed=2**32 - 1,
    count=4,
    width=512,
    height=768,
    scheduler="euler",
    model="some/model",
)


async def test_a_received_job_comes_back_as_it_was(log: JobLog) -> None:
    origin = Origin(
        kind=OriginKind.MODAL,
        guild_id=2**62,
        channel_id=2**61,
        user_id=2**60,
        interaction_id=2**59,
        application_id=2**58,
        interaction_token="secret",
        token_expires_at=log.clock() + timedelta(minutes=15),
        reply_to=2**57,
        upload_limit=25_000_000,
    )
    parent = await log.received()
    job, created = await log.jobs.receive(
        recipe=EVERYTHING, origin=origin, parent_id=parent.id, source_url="https://cdn/x.png"
    )
    assert created
    assert job == await log.jobs.get(job.id)
    assert (job.recipe, job.origin, job.parent_id) == (EVERYTHING, origin, parent.id)
    assert (job.status, job.delivery) == (JobStatus.RECEIVED, DeliveryState.PENDING)
    assert job.source_url == "https://cdn/x.png" and job.source is None
    assert job.created_at == log.clock() and job.created_at.tzinfo is not None
    assert (job.cost, job.attempts, job.results, job.run) == (0, 0, (), None)


async def test_an_interaction_makes_one_job_however_often_it_comes(log: JobLog) -> None:
    origin = log.origin()
    recipe = Recipe(prompt="x")
    answers = await asyncio.gather(
        *(log.jobs.receive(recipe=recipe, origin=origin) for _ in range(8))
    )
    assert sum(created for _, created in answers) == 1
    assert len({job.id for job, _ in answers}) == 1


async def test_reactions_have_no_interaction_and_are_all_jobs(log: JobLog) -> None:
    origin = log.origin(kind=OriginKind.REACTION, interaction_id=None, interaction_token=None)
    for expected in (1, 2):
        job, created = await log.jobs.receive(recipe=Recipe(prompt="x"), origin=origin)
        assert created and job.id == expected


async def test_a_job_that_is_not_there_is_gone(log: JobLog) -> None:
    for call in (
        log.jobs.get(99),
        log.jobs.cancel(99),
        log.jobs.requeue(99),
        log.jobs.finish(99, results=[], run=run()),
        log.jobs.delete(99),
        log.outbox.set_message(99, 1),
        log.outbox.mark_delivered(99, 1),
    ):
        with pytest.raises(Gone):
            await call


async def test_the_whole_way_of_a_job(log: JobLog) -> None:
    job = await log.received(count=2)
    queued_at = log.clock.advance(seconds=1)
    job = await log.queued(cost=3.5)
    assert (job.status, job.cost, job.queued_at) == (JobStatus.QUEUED, 3.5, queued_at)
    assert (job.source, job.width, job.height) == (await log.source(), 64, 64)
    started_at = log.clock.advance(seconds=1)
    job = await log.jobs.claim()
    assert job is not None
    assert (job.status, job.attempts, job.started_at) == (JobStatus.RUNNING, 1, started_at)
    finished_at = log.clock.advance(seconds=2)
    # Eleven pictures: their order is by number, not by text.
    shas = [f"{index:064x}" for index in range(11)]
    job = await log.jobs.finish(job.id, results=shas, run=run())
    assert job == await log.jobs.get(job.id)
    assert (job.status, job.finished_at) == (JobStatus.SUCCEEDED, finished_at)
    assert job.results == tuple(shas)
    assert (job.steps_run, job.seconds) == (12, 2.0)
    assert job.run == Run(
        model="pocket",
        revision="abc123",
        scheduler="ddim",
        batch_shape="2x4x32x32",
        versions={"torch": "2.13.0"},
    )


async def _bring_to(log: JobLog, status: JobStatus) -> int:
    match status:
        case JobStatus.QUEUED:
            job = await log.queued()
        case JobStatus.RUNNING:
            job = await log.running()
        case JobStatus.SUCCEEDED:
            job = await log.done()
        case _:
            job = await log.received()
            ends = {
                JobStatus.FAILED: partial(log.jobs.fail, text="no"),
                JobStatus.REFUSED: partial(log.jobs.refuse, text="no"),
                JobStatus.CANCELLED: log.jobs.cancel,
            }
            if status in ends:
                await ends[status](job.id)
    return job.id


async def _enqueue(log: JobLog, job_id: int) -> None:
    await log.jobs.enqueue(
        job_id,
        source=await log.source(),
        width=8,
        height=8,
        cost=1,
        window=HOUR,
        admit=lambda load: None,
    )


@pytest.mark.parametrize("status", JobStatus)
async def test_only_legal_moves_happen(log: JobLog, status: JobStatus) -> None:
    moves = {
        JobStatus.QUEUED: [lambda job: _enqueue(log, job), log.jobs.requeue],
        JobStatus.SUCCEEDED: [lambda job: log.jobs.finish(job, results=["a" * 64], run=run())],
        JobStatus.FAILED: [lambda job: log.jobs.fail(job, text="no")],
        JobStatus.REFUSED: [lambda job: log.jobs.refuse(job, text="no")],
        JobStatus.CANCELLED: [log.jobs.cancel],
    }
    # Enqueueing and requeueing both lead to QUEUED, each from one state only.
    starts = {0: JobStatus.RECEIVED, 1: JobStatus.RUNNING}
    for to, ways in moves.items():
        for number, way in enumerate(ways):
            job_id = await _bring_to(log, status)
            before = await log.jobs.get(job_id)
            legal = to in LEGAL_MOVES[status]
            if to is JobStatus.QUEUED:
                legal = status is starts[number]
            if legal:
                await way(job_id)
                assert (await log.jobs.get(job_id)).status is to
            else:
                with pytest.raises(IllegalMove):
                    await way(job_id)
                assert await log.jobs.get(job_id) == before
            after = (await log.jobs.get(job_id)).status
            if not after.finished:  # out of the way of the next one
                await log.jobs.cancel(job_id)


async def test_a_refused_admission_changes_nothing(log: JobLog) -> None:
    job = await log.received()

    def admit(load: Load) -> None:
        raise Refused("no")

    with pytest.raises(Refused):
        await log.jobs.enqueue(
            job.id, source=await log.source(), width=8, height=8, cost=1, window=HOUR, admit=admit
        )
    assert await log.jobs.get(job.id) == job


async def test_a_picture_that_was_swept_is_gone(log: JobLog) -> None:
    job, gone, stored = await log.received(), "0" * 64, await log.source()
    for source, second, which in ((gone, stored, "source"), (stored, gone, "second")):
        with pytest.raises(Gone, match=f"The {which} picture is no longer kept; send it again"):
            await log.jobs.enqueue(
                job.id,
                source=source,
                second=second,
                width=8,
                height=8,
                cost=1,
                window=HOUR,
                admit=lambda load: None,
            )
    assert await log.jobs.get(job.id) == job


async def test_a_job_has_both_its_pictures(log: JobLog) -> None:
    urls = {"source_url": "https://cdn/x.png", "second_url": "https://cdn/y.png"}
    recipe = Recipe(prompt="x", task="blend")
    job, _ = await log.jobs.receive(recipe=recipe, origin=log.origin(), **urls)
    assert job == await log.jobs.get(job.id)
    assert (job.second_url, job.second, job.fetched) == ("https://cdn/y.png", None, False)
    second = await log.images.put(png(9), role="source", width=64, height=64)
    queued = await log.jobs.enqueue(
        job.id,
        source=await log.source(),
        second=second,
        width=8,
        height=8,
        cost=1,
        window=HOUR,
        admit=lambda load: None,
    )
    assert queued == await log.jobs.get(job.id)
    assert (queued.source, queued.second, queued.fetched) == (await log.source(), second, True)
    child, _ = await log.jobs.receive(
        recipe=recipe, origin=log.origin(), source=queued.source, second=second
    )
    assert child == await log.jobs.get(child.id)
    assert child.fetched


async def test_admissions_at_once_see_each_other(log: JobLog) -> None:
    jobs = [await log.received() for _ in range(10)]
    source = await log.source()

    def admit(load: Load) -> None:
        if len(load.member) >= 3:
            raise Refused("full")

    answers = await asyncio.gather(
        *(
            log.jobs.enqueue(
                job.id, source=source, width=8, height=8, cost=1, window=HOUR, admit=admit
            )
            for job in jobs
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Refused) for answer in answers) == 7


async def test_the_load_is_what_was_charged_within_the_window(log: JobLog) -> None:
    first = log.clock()
    await log.done(1, 1, cost=2)
    log.clock.advance(minutes=10)
    second = log.clock()
    await log.done(1, 2, cost=3)
    await log.done(2, 1, cost=50)  # another guild
    await log.queued(1, 1, cost=4)
    refused = await log.received(1, 1)
    await log.jobs.refuse(refused.id, text="no")
    cancelled = await log.queued(1, 1, cost=100)
    await log.jobs.cancel(cancelled.id)
    load = await log.jobs.load(1, 1, HOUR)
    assert load.member == (Charge(at=first, cost=2), Charge(at=second, cost=4))
    assert sum(charge.cost for charge in load.guild) == 9
    # It leaves the window exactly one window after it was made.
    log.clock.now = first + HOUR - timedelta(microseconds=1)
    assert len((await log.jobs.load(1, 1, HOUR)).member) == 2
    log.clock.now = first + HOUR
    assert len((await log.jobs.load(1, 1, HOUR)).member) == 1


async def _charged(log: JobLog) -> float:
    return sum(charge.cost for charge in (await log.jobs.load(1, 1, HOUR)).member)


async def test_only_what_was_spent_is_charged(log: JobLog) -> None:
    job = await log.running(cost=10)
    assert await _charged(log) == 10
    await log.jobs.fail(job.id, text="no", spent=4)
    assert await _charged(log) == 4
    job = await log.running(cost=10)
    await log.jobs.cancel(job.id)
    assert await _charged(log) == 4
    await log.jobs.charge(job.id, 2.5)
    assert await _charged(log) == 6.5


async def test_a_restart_forgives_nothing(log: JobLog) -> None:
    await log.done(cost=5)
    async with JobLog.open(log.folder, log.clock) as restarted:
        assert await _charged(restarted) == 5


async def test_running_jobs_wait_again_after_a_restart_up_to_the_limit(log: JobLog) -> None:
    fresh, tired = await log.queued(), await log.queued()
    for _ in range(2):
        await log.jobs.claim()
    await log.jobs.requeue(fresh.id, count_attempt=False)
    await log.jobs.claim()
    await log.jobs.requeue(tired.id)
    await log.jobs.claim()
    untouched = await log.queued()
    async with JobLog.open(log.folder, log.clock) as restarted:
        recovery = await restarted.jobs.recover(max_attempts=2, text="Given up.")
        assert (recovery.requeued, recovery.failed) == ((fresh.id,), (tired.id,))
        job = await restarted.jobs.get(fresh.id)
        assert (job.status, job.attempts, job.started_at) == (JobStatus.QUEUED, 1, None)
        job = await restarted.jobs.get(tired.id)
        assert (job.status, job.error) == (JobStatus.FAILED, "Given up.")
        assert job.delivery is DeliveryState.PENDING
        assert (await restarted.jobs.get(untouched.id)).attempts == 0
        # Nothing runs now, so a second time nothing happens.
        recovery = await restarted.jobs.recover(max_attempts=2, text="Given up.")
        assert (recovery.requeued, recovery.failed) == ((), ())


async def test_deleting_lets_go_of_the_pictures_and_of_a_delivery(log: JobLog) -> None:
    job = await log.done()
    deleted_at = log.clock.advance(seconds=5)
    job = await log.jobs.delete(job.id)
    assert (job.results, job.deleted_at) == ((), deleted_at)
    assert job.delivery is DeliveryState.ABANDONED
    assert await log.outbox.undelivered() == []
    log.clock.advance(seconds=5)
    assert (await log.jobs.delete(job.id)).deleted_at == deleted_at


async def test_ids_are_never_given_out_twice(log: JobLog) -> None:
    job = await log.received()
    with sqlite3.connect(log.folder / "log.db") as connection:
        connection.execute("DELETE FROM jobs")
    connection.close()
    assert (await log.received()).id > job.id
