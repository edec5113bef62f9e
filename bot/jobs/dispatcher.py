"""Keeps the executor busy with what waits in the queue."""

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial

from bot.jobs.events import EventBus, JobEvent, JobFinished, JobQueued
from bot.jobs.flight import RETRY_SECONDS, Flight, gave_up
from bot.model import Job
from bot.storage.database import DatabaseUnavailable
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from inference.executors.base import Executor, ExecutorState

log = logging.getLogger(__name__)


class Dispatcher:
    """Claims jobs while the executor has room. Events only wake it: the rows are the truth.

    max_attempts: how often a job is tried when the engine stops under it, at least 1.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        images: ImageStore,
        executor: Executor,
        events: EventBus,
        max_attempts: int,
    ) -> None:
        self._jobs = jobs
        self._images = images
        self._executor = executor
        self._events = events
        self._max_attempts = max_attempts
        self._flights: dict[int, Flight] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._alone = False

    async def run(self) -> None:
        """Runs jobs until it is cancelled or the executor is closed.

        At the start, jobs that ran when the bot was last stopped wait again (or have failed, at
        the limit); at the end, those that run go back to the queue and no attempt is counted.
        A database that cannot be used is waited for, except at the start: then it raises.
        """
        with self._events.subscribe() as events:
            listener = asyncio.create_task(self._listen(events))
            try:
                await self._recover()
                await self._dispatch()
            finally:
                for flight in self._flights.values():
                    flight.land()
                await asyncio.gather(*self._workers, return_exceptions=True)
                listener.cancel()

    async def _dispatch(self) -> None:
        while self._executor.state is not ExecutorState.CLOSED:
            self._wake.clear()
            try:
                await self._fill()
            except DatabaseUnavailable as error:
                log.warning("No job can be claimed now: %s", error)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._wake.set)
            await self._wake.wait()
            for worker in [worker for worker in self._workers if worker.done()]:
                self._workers.remove(worker)
                worker.result()

    async def _fill(self) -> None:
        """Claims while the executor has room, and one job in any case.

        A job under which the engine was lost before has its last attempt alone: where it is the
        one that kills the engine, the jobs beside it would use up their attempts with it.
        """
        while len(self._flights) < (1 if self._alone else max(1, self._executor.capacity)):
            job = await self._claim()
            if job is None:
                return
            self._alone = 1 < self._max_attempts <= job.attempts
            if self._alone:
                await self._others_landed(job)
            flight = self._flights[job.id] = Flight(
                job,
                jobs=self._jobs,
                images=self._images,
                executor=self._executor,
                events=self._events,
                max_attempts=self._max_attempts,
            )
            worker = flight.launch()
            worker.add_done_callback(partial(self._landed, job.id, flight))
            self._workers.add(worker)

    async def _claim(self) -> Job | None:
        """One job, if any waits. Stopped in the middle, what was claimed goes back."""
        claim = asyncio.create_task(self._jobs.claim())
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            job = await claim
            if job is not None:
                await self._jobs.requeue(job.id, count_attempt=False)
            raise

    async def _others_landed(self, job: Job) -> None:
        """Waits until nothing is in the air. Stopped in the middle, the job goes back."""
        try:
            if self._workers:
                await asyncio.wait(self._workers)
        except asyncio.CancelledError:
            await self._jobs.requeue(job.id, count_attempt=False)
            raise

    def _landed(self, job_id: int, flight: Flight, _worker: asyncio.Task[None]) -> None:
        # A job that went back may already be in the air again.
        if self._flights.get(job_id) is flight:
            del self._flights[job_id]
            self._alone = self._alone and bool(self._flights)
        self._wake.set()

    async def _listen(self, events: AsyncIterator[JobEvent]) -> None:
        """Wakes the dispatcher for new work and stops what was cancelled while it ran."""
        async for event in events:
            if isinstance(event, JobQueued):
                self._wake.set()
            elif isinstance(event, JobFinished) and event.job_id in self._flights:
                self._flights[event.job_id].cancel()

    async def _recover(self) -> None:
        recovery = await self._jobs.recover(
            max_attempts=self._max_attempts, text=gave_up(self._max_attempts)
        )
        if recovery.requeued or recovery.failed:
            log.info(
                "Of the jobs that ran when the bot was stopped, %d wait again and %d have failed",
                len(recovery.requeued),
                len(recovery.failed),
            )
        for job_id in recovery.requeued:
            self._events.publish(JobQueued(job_id=job_id))
        for job_id in recovery.failed:
            self._events.publish(JobFinished(job_id=job_id))
