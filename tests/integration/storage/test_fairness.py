"""The fair order: a backlogged guild gets its share whatever the others send."""

import asyncio
import random

import pytest

from bot.storage.line import fair_order
from tests.joblog import JobLog


async def _claim(log: JobLog, count: int) -> list[tuple[int, int]]:
    """Guild and member of the next jobs."""
    served = []
    for _ in range(count):
        job = await log.jobs.claim()
        assert job is not None
        served.append((job.origin.guild_id, job.origin.user_id))
    return served


async def test_guilds_take_turns_whatever_they_send(log: JobLog) -> None:
    for _ in range(20):
        await log.queued(guild=1)
    for _ in range(3):
        await log.queued(guild=2)
    assert [guild for guild, _ in await _claim(log, 7)] == [1, 2, 1, 2, 1, 2, 1]


async def test_shares_are_in_cost_not_in_jobs(log: JobLog) -> None:
    for _ in range(8):
        await log.queued(guild=1, cost=4)
    for _ in range(30):
        await log.queued(guild=2, cost=1)
    guilds = [guild for guild, _ in await _claim(log, 20)]
    assert guilds.count(1) == 4 and guilds.count(2) == 16


async def test_members_take_turns_within_their_guild(log: JobLog) -> None:
    for _ in range(5):
        await log.queued(guild=1, user=1)
    await log.queued(guild=1, user=2)
    await log.queued(guild=1, user=3)
    await log.queued(guild=2, user=9)
    order = await _claim(log, 8)
    assert [user for guild, user in order if guild == 1] == [1, 2, 3, 1, 1, 1, 1]
    assert order.index((2, 9)) == 1


async def test_nobody_saves_up_while_away(log: JobLog) -> None:
    for _ in range(40):
        await log.queued(guild=1, user=1)
    await _claim(log, 20)
    await log.queued(guild=2, user=2)  # was never here
    for _ in range(9):
        await log.queued(guild=2, user=2)
    guilds = [guild for guild, _ in await _claim(log, 10)]
    assert guilds.count(2) == 5  # its share from now on, and not 20 jobs first
    await log.queued(guild=2, user=3)  # likewise among the members of guild 2
    users = [user for guild, user in await _claim(log, 8) if guild == 2]
    assert users.count(3) == 1 and users.count(2) == 3


async def test_what_was_used_while_nobody_waited_is_not_held_against_anybody(log: JobLog) -> None:
    for _ in range(10):
        await log.done(guild=1, cost=10)
    for _ in range(5):
        await log.queued(guild=2, cost=1)
    for _ in range(5):
        await log.queued(guild=1, cost=1)
    guilds = [guild for guild, _ in await _claim(log, 6)]
    assert guilds.count(1) == 3


async def test_what_was_not_spent_is_given_back(log: JobLog) -> None:
    for _ in range(3):
        await log.queued(guild=1, cost=10)
        await log.queued(guild=2, cost=5)
    first = await log.jobs.claim()
    assert first is not None and first.origin.guild_id == 1
    await log.jobs.fail(first.id, text="no", spent=2)
    # Served so far: 2 and 0; then 2 and 5; then 12 and 5. Not given back: 10 and 0, 10 and 5.
    assert [guild for guild, _ in await _claim(log, 3)] == [2, 1, 2]


async def test_a_job_that_goes_back_keeps_its_place(log: JobLog) -> None:
    first, second = await log.queued(), await log.queued()
    claimed = await log.jobs.claim()
    assert claimed is not None and claimed.id == first.id
    await log.jobs.requeue(first.id)
    again = await log.jobs.claim()
    assert again is not None and (again.id, again.attempts) == (first.id, 2)
    assert (await log.jobs.claim()).id == second.id


async def test_claims_at_once_never_take_the_same_job(log: JobLog) -> None:
    jobs = [await log.queued(guild=index % 3) for index in range(12)]
    async with JobLog.open(log.folder, log.clock) as other:  # another process would do the same
        claims = await asyncio.gather(
            *(store.claim() for _ in range(8) for store in (log.jobs, other.jobs))
        )
    taken = [job.id for job in claims if job is not None]
    assert sorted(taken) == [job.id for job in jobs]


@pytest.mark.parametrize("seed", range(3))
async def test_backlogged_guilds_are_served_alike(log: JobLog, seed: int) -> None:
    """Guilds 1 and 2 always have jobs waiting; 3 to 5 come and go, some with a flood."""
    chance = random.Random(seed)
    greatest = 8.0
    waiting = dict.fromkeys(range(1, 6), 0)
    served = {1: 0.0, 2: 0.0}

    async def send(guild: int, count: int) -> None:
        for _ in range(count):
            await log.queued(guild, user=chance.randint(1, 3), cost=chance.uniform(0.1, greatest))
            waiting[guild] += 1

    for _ in range(60):
        for guild in (1, 2):
            await send(guild, max(0, 2 - waiting[guild]))
        if chance.random() < 0.3:
            await send(chance.randint(3, 5), chance.choice([1, 1, 6]))
        before = dict(served)
        job = await log.jobs.claim()
        assert job is not None
        waiting[job.origin.guild_id] -= 1
        if job.origin.guild_id in served:
            served[job.origin.guild_id] += job.cost
        if chance.random() < 0.2:  # the engine died half way
            spent = job.cost / 2
            await log.jobs.requeue(job.id, spent=spent)
            waiting[job.origin.guild_id] += 1
            if job.origin.guild_id in served:
                served[job.origin.guild_id] = before[job.origin.guild_id] + spent
        # Never further apart than one job of each, however long it goes on.
        assert abs(served[1] - served[2]) <= 2 * greatest
    total = sum(served.values())
    assert total > 0


async def test_a_flood_costs_the_others_no_more_than_its_share(log: JobLog) -> None:
    for _ in range(40):
        await log.queued(guild=1, user=1)
    for guild in (2, 3, 4):
        for _ in range(5):
            await log.queued(guild=guild)
    guilds = [guild for guild, _ in await _claim(log, 20)]
    assert all(guilds.count(guild) == 5 for guild in (1, 2, 3, 4))


@pytest.mark.parametrize("seed", range(3))
async def test_the_shown_order_is_the_order_of_the_claims(log: JobLog, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(30):
        await log.queued(
            guild=chance.randint(1, 4), user=chance.randint(1, 3), cost=chance.randint(1, 64) / 8
        )
        if chance.random() < 0.3:
            await log.jobs.claim()
    expected = [job.id for job in (await log.line.snapshot()).waiting]
    claimed = []
    while (job := await log.jobs.claim()) is not None:
        claimed.append(job.id)
    assert claimed == expected


def test_the_order_of_nothing_is_nothing() -> None:
    assert fair_order([], {}, {}) == []
