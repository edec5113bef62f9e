"""The dispatcher over the real log, with an executor that does what the test says."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from dispatcher_bench import Bench, performing

from bot.errors import Gone
from bot.jobs import dispatcher, flight
from bot.jobs.events import JobFinished, JobProgressed, JobQueued, JobStarted
from bot.model import Job, JobStatus
from bot.storage.database import DatabaseUnavailable
from inference.errors import ModelError, OutOfMemory, RequestError
from inference.provenance import provenance_of
from inference.result import Progress
from inference.stamps import without_text
from inference.texts import read_texts
from tests.joblog import JobLog, png


async def test_a_job_goes_through_and_its_pictures_are_kept(log: JobLog) -> None:
    bench = Bench()
    async with performing(log, bench) as stage:
        job = await stage.queue()
        await bench.has(job.id)
        assert bench.requests[job.id] == job.recipe.with_picture(
            await log.images.get(await log.source())
        )
        assert (await stage.get(job.id)).status is JobStatus.RUNNING
        bench.step(job.id, 3)
        await stage.until(JobProgressed(job_id=job.id, progress=Progress(step=3, steps=10)))
        bench.succeed(job.id, (5, 6, 5))
        await stage.until(JobFinished(job_id=job.id))
        job = await stage.get(job.id)
        assert job.status is JobStatus.SUCCEEDED
        kept = [await log.images.get(sha) for sha in job.results]
        assert [without_text(data) for data in kept] == [png(5), png(6), png(5)]
        said = [provenance_of(read_texts(data)) for data in kept]
        assert [found.seed for found in said if found] == [5, 6, 5]
        assert job.run is not None and job.run.versions == {"torch": "2.13.0"}
        assert [type(event) for event in stage.events] == [
            JobQueued, JobStarted, JobProgressed, JobFinished,
        ]  # fmt: skip
        assert await stage.charged() == 1


async def test_jobs_that_waited_before_the_start_are_taken(log: JobLog) -> None:
    jobs = [await log.queued() for _ in range(3)]
    bench = Bench()
    async with performing(log, bench) as stage:
        for job in jobs:
            await bench.has(job.id)
            bench.succeed(job.id)
            await stage.until(JobFinished(job_id=job.id))


async def test_no_more_than_the_capacity_and_no_less(log: JobLog) -> None:
    jobs = [await log.queued() for _ in range(6)]
    bench = Bench(capacity=4)
    async with performing(log, bench) as stage:
        for index, job in enumerate(jobs):
            for ahead in jobs[index : index + 4]:
                await bench.has(ahead.id)
            bench.succeed(job.id)
            await stage.until(JobFinished(job_id=job.id))
        assert bench.most == 4


async def test_a_free_place_is_filled_at_once(log: JobLog) -> None:
    bench = Bench(capacity=2)
    async with performing(log, bench) as stage:
        first = await stage.queue()
        await bench.has(first.id)
        second = await stage.queue()
        await bench.has(second.id)
        third = await stage.queue()
        bench.succeed(second.id)
        await bench.has(third.id)
        assert set(bench.jobs) == {first.id, third.id}


async def test_a_lost_engine_means_again_and_in_the_end_the_truth(log: JobLog) -> None:
    bench = Bench()
    async with performing(log, bench, max_attempts=3) as stage:
        job = await stage.queue(cost=10)
        for attempt in (1, 2, 3):
            await bench.has(job.id, attempt)
            assert (await stage.get(job.id)).attempts == attempt
            bench.step(job.id, 4)
            bench.lose(job.id)
        await stage.until(JobFinished(job_id=job.id))
        failed = await stage.get(job.id)
        assert failed.status is JobStatus.FAILED
        assert failed.error == "Given up: the engine stopped 3 times before the picture was done."
        assert failed.reference is not None
        assert stage.events.count(JobQueued(job_id=job.id)) == 3
        assert await stage.charged() == pytest.approx(4)


async def test_out_of_memory_is_called_that(log: JobLog) -> None:
    bench = Bench()
    async with performing(log, bench, max_attempts=1) as stage:
        job = await stage.queue()
        await bench.has(job.id)
        bench.lose(job.id, OutOfMemory("cuda"))
        await stage.until(JobFinished(job_id=job.id))
        error = (await stage.get(job.id)).error
        assert error is not None
        assert error.startswith("Given up: the engine stopped 1 time before")
        assert "memory" in error


async def test_one_lost_engine_takes_all_its_jobs_and_all_run_again(log: JobLog) -> None:
    bench = Bench(capacity=3)
    async with performing(log, bench) as stage:
        jobs = [await stage.queue() for _ in range(3)]
        for job in jobs:
            await bench.has(job.id)
        for job in jobs:
            bench.lose(job.id)
        for job in jobs:
            await bench.has(job.id, 2)
            bench.succeed(job.id)
            await stage.until(JobFinished(job_id=job.id))
            assert (await stage.get(job.id)).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("error", "text", "referenced"),
    [
        (RequestError("Steps 0 is outside 1 to 50."), "Steps 0 is outside 1 to 50.", False),
        (ModelError("unet/config.json"), "The model “pocket” could not be loaded.", True),
        (KeyError("bug"), "because of an error in the bot", True),
    ],
)
async def test_failures_say_what_is_true_and_stop_nobody_else(
    log: JobLog, error: Exception, text: str, referenced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    async with performing(log, bench) as stage:
        job, after = await stage.queue(), await stage.queue()
        await bench.has(job.id)
        bench.lose(job.id, error)
        await stage.until(JobFinished(job_id=job.id))
        failed = await stage.get(job.id)
        assert failed.status is JobStatus.FAILED
        assert failed.error is not None and text in failed.error
        assert (failed.reference is not None) == referenced
        if failed.reference is not None:
            assert failed.reference in caplog.text and repr(error) not in failed.error
        assert await stage.charged() == after.cost
        await bench.has(after.id)


async def test_a_source_that_vanished_fails_the_job(log: JobLog) -> None:
    job = await log.queued()
    for path in (log.folder / "pictures").rglob(await log.source()):
        path.unlink()
    bench = Bench()
    async with performing(log, bench) as stage:
        await stage.until(JobFinished(job_id=job.id))
        failed = await stage.get(job.id)
        assert (failed.status, failed.error) == (JobStatus.FAILED, str(Gone(failed.error)))
        assert bench.started == []


async def test_a_full_disk_fails_the_job_only(log: JobLog, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    async with performing(log, bench) as stage:
        job, after = await stage.queue(), await stage.queue()
        await bench.has(job.id)

        async def full(*_args: object, **_values: object) -> str:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(log.images, "put", full)
            bench.succeed(job.id)
            await stage.until(JobFinished(job_id=job.id))
        assert (await stage.get(job.id)).status is JobStatus.FAILED
        await bench.has(after.id)
        bench.succeed(after.id)
        await stage.until(JobFinished(job_id=after.id))
        assert (await stage.get(after.id)).status is JobStatus.SUCCEEDED


async def test_a_database_that_cannot_be_used_for_a_while_costs_no_job(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (flight, dispatcher):
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    refused: list[str] = []
    for name in ("claim", "finish", "requeue"):
        monkeypatch.setattr(log.jobs, name, _locked_twice(name, getattr(log.jobs, name), refused))
    job = await log.queued()
    bench = Bench()
    async with performing(log, bench) as stage:
        await bench.has(job.id)
        bench.lose(job.id)
        await bench.has(job.id, 2)
        bench.succeed(job.id)
        await stage.until(JobFinished(job_id=job.id))
        assert (await stage.get(job.id)).status is JobStatus.SUCCEEDED
    assert [*dict.fromkeys(refused)] == ["claim", "requeue", "finish"]


async def test_a_database_that_cannot_be_used_does_not_keep_the_bot_from_stopping(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, refused = Bench(), asyncio.Event()

    async def locked(*_args: object, **_values: object) -> Job:
        refused.set()
        raise DatabaseUnavailable("locked")

    async with performing(log, bench) as stage:
        job = await stage.queue()
        await bench.has(job.id)
        monkeypatch.setattr(log.jobs, "finish", locked)
        monkeypatch.setattr(log.jobs, "requeue", locked)
        bench.succeed(job.id)
        await asyncio.wait_for(refused.wait(), 20)
    assert (await log.jobs.get(job.id)).status is JobStatus.RUNNING  # for the next start


def _locked_twice(
    name: str, method: Callable[..., Awaitable[Any]], refused: list[str]
) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **values: Any) -> Any:
        if refused.count(name) < 2:
            refused.append(name)
            raise DatabaseUnavailable("locked")
        return await method(*args, **values)

    return call


async def test_a_last_attempt_is_made_alone_so_that_neighbours_survive(log: JobLog) -> None:
    bench = Bench(capacity=2)
    async with performing(log, bench, max_attempts=2) as stage:
        poison, neighbour = await stage.queue(user=1), await stage.queue(user=2)
        await bench.has(poison.id)
        await bench.has(neighbour.id)
        bench.lose(poison.id)
        bench.lose(neighbour.id)  # both were in the engine that died

        await bench.has(poison.id, times=2)
        assert set(bench.jobs) == {poison.id}
        bench.lose(poison.id)
        await stage.until(JobFinished(job_id=poison.id))
        await bench.has(neighbour.id, times=2)
        bench.succeed(neighbour.id)
        await stage.until(JobFinished(job_id=neighbour.id))
        assert (await stage.get(poison.id)).status is JobStatus.FAILED
        assert (await stage.get(neighbour.id)).status is JobStatus.SUCCEEDED


async def test_a_last_attempt_waits_for_those_in_the_air_and_holds_up_the_next(log: JobLog) -> None:
    bench = Bench(capacity=3)
    async with performing(log, bench, max_attempts=2) as stage:
        first, beside = await stage.queue(user=1), await stage.queue(user=2)
        await bench.has(first.id)
        await bench.has(beside.id)
        bench.lose(first.id)
        await stage.until(JobQueued(job_id=first.id), times=2)
        after = await stage.queue(user=3)
        bench.succeed(beside.id)
        await bench.has(first.id, times=2)
        assert set(bench.jobs) == {first.id}
        bench.succeed(first.id)
        await bench.has(after.id)
