"""A dispatcher at work over an executor whose jobs the test ends, one by one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from bot.jobs.dispatcher import Dispatcher
from bot.jobs.events import JobEvent, JobQueued
from bot.model import Job
from inference.errors import ExecutorLost
from inference.executors.base import ExecutorState
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress
from tests.joblog import HOUR, JobLog, png, run


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
async def performing(log: JobLog, bench: Bench, max_attempts: int = 3) -> AsyncIterator[Stage]:
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
