"""Listens to what becomes of jobs and sees that Discord shows it.

While a job waits or runs a `Follower` edits its placeholder; when it has ended a `Courier`
delivers it. Nothing that goes wrong with one job stops the others.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import discord

from bot.clock import Clock, utc_now
from bot.discord_ui.courier import Courier
from bot.discord_ui.follower import Follower
from bot.discord_ui.onward import Onward
from bot.discord_ui.outbox import Outbox
from bot.discord_ui.uploads import Packer
from bot.errors import Gone
from bot.jobs.events import JobEvent, JobFinished, JobProgressed, JobQueued, JobStarted
from bot.jobs.service import JobService
from bot.model import DeliveryState, Job, JobStatus
from bot.pictures import PictureWorker
from bot.storage.images import ImageStore

log = logging.getLogger(__name__)

EDITS_AT_ONCE = 6
TRIES = 5
"""How often a delivery is tried that fails for a reason nobody foresaw; then the row stays
PENDING and the next start tries again."""

FIRST_PAUSE = 2.0
"""Seconds before the second of these tries; then twice as long each time."""


class Delivery:
    """Shows every job's progress and end in its channel.

    client: logged in before `run` is called.
    every: seconds between two edits of one placeholder.
    grace: seconds left for a failed intake to be told privately before it is told in the channel.
    clock: monotonic, seconds; now: the wall clock of interaction tokens.
    """

    def __init__(
        self,
        *,
        client: discord.Client,
        service: JobService,
        images: ImageStore,
        pictures: PictureWorker,
        onward: Onward,
        every: float = 3.0,
        grace: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        now: Clock = utc_now,
    ) -> None:
        self._service = service
        self._outbox = Outbox(client, now=now)
        packer = Packer(images=images, pictures=pictures)
        self._courier = Courier(service=service, outbox=self._outbox, packer=packer, onward=onward)
        self._every = every
        self._grace = grace
        self._clock = clock
        self._room = asyncio.Semaphore(EDITS_AT_ONCE)
        self._followed: dict[int, tuple[Follower, asyncio.Task[None]]] = {}
        self._delivering: set[int] = set()

    async def run(self) -> None:
        """Goes on with what an earlier run left over, and shows everything from now on.

        Until it is cancelled.

        Deliveries cut off by the cancellation are left for the next run.
        """
        async with asyncio.TaskGroup() as tasks:
            # Tasks begin in this order, so nothing falls between the rows read and the events.
            tasks.create_task(self._listen(tasks))
            tasks.create_task(self._resume(tasks))

    async def _resume(self, tasks: asyncio.TaskGroup) -> None:
        for job in await self._service.undelivered():
            self._deliver(tasks, job.id, resumed=True)
        # No event will tell of these until they begin, and what their placeholders say is old.
        for job in await self._service.queued():
            if follower := self._follower(tasks, job.id):
                follower.restart()

    async def _listen(self, tasks: asyncio.TaskGroup) -> None:
        async for event in self._service.events.listen():
            self._take(tasks, event)

    def _take(self, tasks: asyncio.TaskGroup, event: JobEvent) -> None:
        match event:
            case JobFinished():
                self._deliver(tasks, event.job_id, resumed=False)
            case JobProgressed():
                if follower := self._follower(tasks, event.job_id):
                    follower.advance(event.progress)
            case JobQueued() | JobStarted():
                if follower := self._follower(tasks, event.job_id):
                    follower.restart()
        if isinstance(event, JobStarted | JobFinished):  # the line moves up
            for other, _ in self._followed.values():
                other.look()

    def _follower(self, tasks: asyncio.TaskGroup, job_id: int) -> Follower | None:
        """The job's follower, a new one if it has none; None while its end is delivered."""
        if job_id in self._delivering:
            return None
        if job_id not in self._followed:
            follower = Follower(
                job_id,
                service=self._service,
                outbox=self._outbox,
                room=self._room,
                every=self._every,
                clock=self._clock,
            )
            self._followed[job_id] = (follower, tasks.create_task(self._follow(follower)))
        return self._followed[job_id][0]

    async def _follow(self, follower: Follower) -> None:
        try:
            await follower.run()
        except Gone:
            log.info("Job %s is gone", follower.job_id)
        except Exception:  # only this job's progress is lost; its end is still delivered
            log.exception("Progress of job %s is not shown any more", follower.job_id)
        finally:
            followed = self._followed.get(follower.job_id)
            if followed is not None and followed[0] is follower:
                del self._followed[follower.job_id]

    def _deliver(self, tasks: asyncio.TaskGroup, job_id: int, *, resumed: bool) -> None:
        if job_id not in self._delivering:
            self._delivering.add(job_id)
            tasks.create_task(self._finish(job_id, resumed=resumed))

    async def _finish(self, job_id: int, *, resumed: bool) -> None:
        try:
            followed = self._followed.pop(job_id, None)
            if followed is not None:
                follower, task = followed
                await follower.finish()
                task.cancel()
            for attempt in range(1, TRIES + 1):
                try:
                    await self._end_of(job_id, suspect=resumed or attempt > 1)
                except Gone:
                    log.info("Job %s is gone", job_id)
                except Exception:  # a fault with one job must not end the delivery of others
                    log.exception("Delivery of job %s failed, attempt %s", job_id, attempt)
                    await asyncio.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
                    continue
                break
        finally:
            self._delivering.discard(job_id)

    async def _end_of(self, job_id: int, *, suspect: bool) -> None:
        job = await self._service.get(job_id)
        if _told_privately(job) and not suspect:
            await asyncio.sleep(self._grace)
            job = await self._service.get(job_id)
        if job.status.finished and job.delivery is DeliveryState.PENDING:
            await self._courier.deliver(job, suspect=suspect)


def _told_privately(job: Job) -> bool:
    """Whether it failed before the queue, which `Flows` tells whoever asked if it still can."""
    return job.queued_at is None and job.status is JobStatus.FAILED
