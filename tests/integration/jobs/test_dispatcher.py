"""The dispatcher over the real log, with an executor that does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import Gone
from bot.jobs import dispatcher, flight
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.events import JobEvent, JobFinished, JobProgressed, JobQueued, JobStarted
from bot.jobs.service import Actor
from bot.model import Job, JobStatus
from bot.storage.database import DatabaseUnavailable
from inference.errors import ExecutorLost, ModelError, OutOfMemory, RequestError
from inference.executors.base import ExecutorState
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress
from tests.joblog import HOUR, JobLog, png, run

OWNER = Actor(user_id=1, manages_messages=False)


class Bench:
    """An executor whose jobs the test ends, one by one; it counts how many it has."""

    def __init__(self, capacity: int = 1) -> None:
        self.state = ExecutorState.READY
        self.problem = None
        self.capacity = capacity
        self.jobs: dict[int, asyncio.Future[GenerationResult]] = {}
        self.requests: dict[int, GenerationRequest] = {}
        self.progress: dict[int, Callable[[Progress], None]] = {}
        self.started: list[int] = []
        self.most = 0
        self._news = asyncio.Event()

    async def start(self) -> None: ...

    async def generate(
        self, job_id: int, request: GenerationRequest, on_progress: Callable[[Progress], None]
    ) -> GenerationResult:
        self.jobs[job_id] = asyncio.get_running_loop().create_future()
        self.requests[job_id] = request
        self.progress[job_id] = on_progress
        self.started.append(job_id)
        self.most = max(self.most, len(self.jobs))
        self._news.set()
        try:
            return await self.jobs[job_id]
        finally:
            del self.jobs[job_id]

    async def has(self, job_id: int, times: int = 1) -> None:
        """Waits until the job is here (for the nth time)."""
        async with asyncio.timeout(20):
            while self.started.count(job_id) < times or job_id not in self.jobs:
                self._news.clear()
                await self._news.wait()

    def cancel(self, job_id: int) -> None: ...

    async def close(self) -> None:
        self.state = ExecutorState.CLOSED
        for future in self.jobs.values():
            future.set_exception(ExecutorLost("closed"))

    def step(self, job_id: int, step: int, steps: int = 10) -> None:
        self.progress[job_id](Progress(step=step, steps=steps))

    def succeed(self, job_id: int, shades: tuple[int, ...] = (1,)) -> None:
        images = tuple(
            GeneratedImage(data=png(shade), width=64, height=64, seed=shade) for shade in shades
        )
        self.jobs[job_id].set_result(run(images=images))

    def lose(self, job_id: int, error: Exception | None = None) -> None:
        self.jobs[job_id].set_exception(error or ExecutorLost("signal 9"))


class Stage:
    """A running dispatcher and what it publishes."""

    def __init__(self, log: JobLog, bench: Bench) -> None:
        self.log = log
        self.bench = bench
        self.events: list[JobEvent] = []
        self._changed = asyncio.Condition()

    async def follow(self, events: AsyncIterator[JobEvent]) -> None:
        async for event in events:
            async with self._changed:
                self.events.append(event)
                self._changed.notify_all()

    async def until(self, event: JobEvent, times: int = 1) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.events.count(event) >= times)

    async def queue(self, **values: float) -> Job:
        job = await self.log.queued(**values)
        self.log.events.publish(JobQueued(job_id=job.id))
        return job

    async def get(self, job_id: int) -> Job:
        return await self.log.jobs.get(job_id)

    async def charged(self) -> float:
        return sum(charge.cost for charge in (await self.log.jobs.load(1, 1, HOUR)).member)


@asynccontextmanager
async def _stage(log: JobLog, bench: Bench, max_attempts: int = 3) -> AsyncIterator[Stage]:
    stage = Stage(log, bench)
    keeper = Dispatcher(
        jobs=log.jobs,
        images=log.images,
        executor=bench,
        events=log.events,
        max_attempts=max_attempts,
    )
    with log.events.subscribe() as events:
        follower = asyncio.create_task(stage.follow(events))
        runner = asyncio.create_task(keeper.run())
        try:
            yield stage
        finally:
            runner.cancel()
            with suppress(asyncio.CancelledError):
                await runner
            follower.cancel()


async def test_a_job_goes_through_and_its_pictures_are_kept(log: JobLog) -> None:
    bench = Bench()
    async with _stage(log, bench) as stage:
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
        assert [await log.images.get(sha) for sha in job.results] == [png(5), png(6), png(5)]
        assert job.run is not None and job.run.versions == {"torch": "2.13.0"}
        assert [type(event) for event in stage.events] == [
            JobQueued, JobStarted, JobProgressed, JobFinished,
        ]  # fmt: skip
        assert await stage.charged() == 1


async def test_jobs_that_waited_before_the_start_are_taken(log: JobLog) -> None:
    jobs = [await log.queued() for _ in range(3)]
    bench = Bench()
    async with _stage(log, bench) as stage:
        for job in jobs:
            await bench.has(job.id)
            bench.succeed(job.id)
            await stage.until(JobFinished(job_id=job.id))


async def test_no_more_than_the_capacity_and_no_less(log: JobLog) -> None:
    jobs = [await log.queued() for _ in range(6)]
    bench = Bench(capacity=4)
    async with _stage(log, bench) as stage:
        for index, job in enumerate(jobs):
            for ahead in jobs[index : index + 4]:
                await bench.has(ahead.id)
            bench.succeed(job.id)
            await stage.until(JobFinished(job_id=job.id))
        assert bench.most == 4


async def test_a_free_place_is_filled_at_once(log: JobLog) -> None:
    bench = Bench(capacity=2)
    async with _stage(log, bench) as stage:
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
    async with _stage(log, bench, max_attempts=3) as stage:
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
    async with _stage(log, bench, max_attempts=1) as stage:
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
    async with _stage(log, bench) as stage:
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
    async with _stage(log, bench) as stage:
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
    async with _stage(log, bench) as stage:
        await stage.until(JobFinished(job_id=job.id))
        failed = await stage.get(job.id)
        assert (failed.status, failed.error) == (JobStatus.FAILED, str(Gone(failed.error)))
        assert bench.started == []


async def test_a_full_disk_fails_the_job_only(log: JobLog, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    async with _stage(log, bench) as stage:
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
    async with _stage(log, bench) as stage:
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

    async with _stage(log, bench) as stage:
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


async def test_cancelled_while_queued_never_runs(log: JobLog) -> None:
    bench = Bench()
    async with _stage(log, bench) as stage:
        first, second, third = [await stage.queue() for _ in range(3)]
        await bench.has(first.id)
        await log.service.cancel(second.id, OWNER)
        bench.succeed(first.id)
        await bench.has(third.id)
        assert second.id not in bench.started
        assert await stage.charged() == first.cost + third.cost


async def test_cancelled_while_running_stops_and_costs_what_was_spent(log: JobLog) -> None:
    bench = Bench()
    async with _stage(log, bench) as stage:
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
    async with _stage(log, bench) as stage:
        after = await stage.queue(cost=1)
        await bench.has(after.id)
        assert bench.started == [after.id]
        assert await stage.charged() == 1


async def test_cancelled_as_it_finishes_stays_cancelled_and_is_paid(log: JobLog) -> None:
    bench = Bench()
    async with _stage(log, bench) as stage:
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

    async with _stage(log, bench) as stage:
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
    async with _stage(log, bench) as stage:
        jobs = [await stage.queue(cost=10) for _ in range(3)]
        for job in jobs[:2]:
            await bench.has(job.id)
        bench.step(jobs[0].id, 5)
    for job in jobs:
        after = await log.jobs.get(job.id)
        assert (after.status, after.attempts) == (JobStatus.QUEUED, 0)
    bench = Bench(capacity=3)
    async with _stage(log, bench) as stage:
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
    async with _stage(log, Bench()):
        await claimed.wait()
    after = await log.jobs.get(job.id)
    assert (after.status, after.attempts) == (JobStatus.QUEUED, 0)


async def test_a_closed_executor_puts_its_jobs_back_and_ends_the_run(log: JobLog) -> None:
    bench = Bench()
    async with _stage(log, bench) as stage:
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
    async with _stage(log, bench, max_attempts=3) as stage:  # the killed bot published nothing
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
    async with _stage(log, bench) as stage:
        job = await stage.queue()
        await bench.has(job.id)
        before = claims
        for step in range(10):
            bench.step(job.id, step)
        await stage.until(JobProgressed(job_id=job.id, progress=Progress(step=9, steps=10)))
        assert claims == before


async def test_a_last_attempt_is_made_alone_so_that_neighbours_survive(log: JobLog) -> None:
    bench = Bench(capacity=2)
    async with _stage(log, bench, max_attempts=2) as stage:
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
    async with _stage(log, bench, max_attempts=2) as stage:
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
