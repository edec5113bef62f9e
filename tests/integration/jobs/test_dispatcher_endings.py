"""Jobs that are cancelled, and dispatchers that are stopped."""

import asyncio
from datetime import timedelta

import pytest
from dispatcher_bench import Bench, performing

from bot.jobs.dispatcher import Dispatcher
from bot.jobs.events import JobFinished, JobProgressed, JobQueued
from bot.jobs.service import Actor
from bot.model import Job, JobStatus
from inference.result import Progress
from tests.joblog import JobLog

OWNER = Actor(user_id=1, manages_messages=False)


async def test_cancelled_while_queued_never_runs(log: JobLog) -> None:
    bench = Bench()
    async with performing(log, bench) as stage:
        first, second, third = [await stage.queue() for _ in range(3)]
        await bench.has(first.id)
        await log.service.cancel(second.id, OWNER)
        bench.succeed(first.id)
        await bench.has(third.id)
        assert second.id not in bench.started
        assert await stage.charged() == first.cost + third.cost


async def test_cancelled_while_running_stops_and_costs_what_was_spent(log: JobLog) -> None:
    bench = Bench()
    async with performing(log, bench) as stage:
        job = await stage.queue(cost=10)
        await bench.has(job.id)
        bench.step(job.id, 3)
        await log.service.cancel(job.id, OWNER)
        after = await stage.queue(cost=1)
        await bench.has(after.id)
        assert job.id not in bench.jobs
        assert (await stage.get(job.id)).status is JobStatus.CANCELLED
        assert stage.events.count(JobFinished(job_id=job.id)) == 1
        assert await stage.charged() == pytest.approx(3 + 1)


async def test_cancelled_in_the_moment_of_the_claim_never_runs(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await log.queued(cost=10)
    claim = log.jobs.claim

    async def claim_and_cancel() -> Job | None:
        claimed = await claim()
        if claimed is not None and claimed.id == job.id:
            await log.service.cancel(job.id, OWNER)
        return claimed

    monkeypatch.setattr(log.jobs, "claim", claim_and_cancel)
    bench = Bench()
    async with performing(log, bench) as stage:
        after = await stage.queue(cost=1)
        await bench.has(after.id)
        assert bench.started == [after.id]
        assert await stage.charged() == 1


async def test_cancelled_as_it_finishes_stays_cancelled_and_is_paid(log: JobLog) -> None:
    bench = Bench()
    async with performing(log, bench) as stage:
        job = await stage.queue(cost=10)
        await bench.has(job.id)
        await log.jobs.cancel(job.id)  # the row is written, the event not yet heard
        bench.succeed(job.id)
        after = await stage.queue(cost=1)
        await bench.has(after.id)
        assert (await stage.get(job.id)).status is JobStatus.CANCELLED
        assert await stage.charged() == pytest.approx(11)


async def test_a_job_that_is_in_the_air_again_before_its_last_flight_landed(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(capacity=2)
    requeue = log.jobs.requeue

    async def slow(job_id: int, **values: float) -> Job:
        job = await requeue(job_id, **values)
        log.events.publish(JobQueued(job_id=job_id))
        await bench.has(job_id, 2)
        return job

    async with performing(log, bench) as stage:
        job = await stage.queue()
        await bench.has(job.id)
        with monkeypatch.context() as patch:
            patch.setattr(log.jobs, "requeue", slow)
            bench.lose(job.id)
            await stage.until(JobQueued(job_id=job.id), 3)
        second, third = await stage.queue(), await stage.queue()
        await bench.has(second.id)
        assert set(bench.jobs) == {job.id, second.id}
        await log.service.cancel(job.id, OWNER)  # the second flight is the one that is known
        await bench.has(third.id)
        assert job.id not in bench.jobs


async def test_stopping_puts_running_jobs_back_without_an_attempt(log: JobLog) -> None:
    bench = Bench(capacity=2)
    async with performing(log, bench) as stage:
        jobs = [await stage.queue(cost=10) for _ in range(3)]
        for job in jobs[:2]:
            await bench.has(job.id)
        bench.step(jobs[0].id, 5)
    for job in jobs:
        after = await log.jobs.get(job.id)
        assert (after.status, after.attempts) == (JobStatus.QUEUED, 0)
    bench = Bench(capacity=3)
    async with performing(log, bench) as stage:
        for job in jobs:
            await bench.has(job.id)
            bench.succeed(job.id)
            await stage.until(JobFinished(job_id=job.id))
            assert (await stage.get(job.id)).attempts == 1


async def test_stopped_in_the_middle_of_a_claim_nothing_is_left_running(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await log.queued()
    claim, claimed = log.jobs.claim, asyncio.Event()

    async def slow() -> Job | None:
        answer = await claim()
        claimed.set()
        await asyncio.sleep(0.01)
        return answer

    monkeypatch.setattr(log.jobs, "claim", slow)
    async with performing(log, Bench()):
        await claimed.wait()
    after = await log.jobs.get(job.id)
    assert (after.status, after.attempts) == (JobStatus.QUEUED, 0)


async def test_a_closed_executor_puts_its_jobs_back_and_ends_the_run(log: JobLog) -> None:
    bench = Bench()
    async with performing(log, bench) as stage:
        job = await stage.queue()
        await bench.has(job.id)
        await bench.close()
        await stage.until(JobQueued(job_id=job.id), 2)
        after = await stage.get(job.id)
        assert (after.status, after.attempts) == (JobStatus.QUEUED, 0)
        assert bench.started == [job.id]


async def test_after_kill_9_running_jobs_run_again_up_to_the_limit(log: JobLog) -> None:
    again, tired = await log.running(), await log.running()
    for _ in range(2):
        await log.jobs.requeue(tired.id)
        await log.jobs.claim()
    bench = Bench()
    async with performing(log, bench, max_attempts=3) as stage:  # the killed bot published nothing
        await stage.until(JobFinished(job_id=tired.id))
        failed = await stage.get(tired.id)
        assert failed.status is JobStatus.FAILED
        assert failed.error == "Given up: the engine stopped 3 times before the picture was done."
        await bench.has(again.id)
        assert (await stage.get(again.id)).attempts == 2


async def test_a_database_that_is_lost_ends_the_run(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()
    keeper = Dispatcher(
        jobs=log.jobs, images=log.images, executor=bench, events=log.events, max_attempts=3
    )

    async def lost(*_args: object, **_values: object) -> None:
        raise OSError("database is lost")

    monkeypatch.setattr(log.jobs, "finish", lost)
    monkeypatch.setattr(log.jobs, "fail", lost)
    job = await log.queued()
    runner = asyncio.create_task(keeper.run())
    await bench.has(job.id)
    bench.succeed(job.id)
    with pytest.raises(OSError, match="database is lost"):
        await asyncio.wait_for(runner, timedelta(seconds=20).total_seconds())


async def test_waiting_asks_the_database_nothing(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = 0
    claim = log.jobs.claim

    async def counted() -> Job | None:
        nonlocal claims
        claims += 1
        return await claim()

    monkeypatch.setattr(log.jobs, "claim", counted)
    bench = Bench()
    async with performing(log, bench) as stage:
        job = await stage.queue()
        await bench.has(job.id)
        before = claims
        for step in range(10):
            bench.step(job.id, step)
        await stage.until(JobProgressed(job_id=job.id, progress=Progress(step=9, steps=10)))
        assert claims == before
