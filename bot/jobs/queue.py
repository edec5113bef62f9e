"""Where a job stands in line and when it will be done."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.clock import Clock, utc_now
from bot.model import Job, JobStatus
from bot.storage.jobs import JobStore
from bot.storage.line import Line, Snapshot


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuePlace:
    """A waiting job's place.

    position: 1 is next. seconds: until its pictures are done, by the throughput of the last
    finished jobs; None until one was measured.
    """

    position: int
    seconds: float | None


class Queue:
    """The line of the whole bot, read again only after it changed."""

    def __init__(self, jobs: JobStore, line: Line, clock: Clock = utc_now) -> None:
        self._jobs = jobs
        self._line = line
        self._clock = clock
        self._reading = asyncio.Lock()
        self._read_at: int | None = None
        self._snapshot = Snapshot(waiting=(), running=(), throughput=None)
        self._ahead: dict[int, tuple[int, float]] = {}

    async def place(self, job_id: int) -> QueuePlace | None:
        """None where the job does not wait."""
        await self._refresh()
        if job_id not in self._ahead:
            return None
        position, cost = self._ahead[job_id]
        rate = self._snapshot.throughput
        seconds = None if rate is None else (self._left_running(rate) + cost) / rate
        return QueuePlace(position=position, seconds=seconds)

    async def of_guild(self, guild_id: int) -> list[Job]:
        """The guild's jobs that are not finished.

        Running ones first, then in the order in which they are expected, then those that are not
        in line yet.
        """
        await self._refresh()
        jobs = await self._line.of_guild(guild_id)
        last = (len(self._ahead) + 1, 0.0)

        def turn(job: Job) -> int:
            running = job.status is JobStatus.RUNNING
            return 0 if running else self._ahead.get(job.id, last)[0]

        return sorted(jobs, key=turn)

    async def _refresh(self) -> None:
        async with self._reading:
            changes = self._jobs.changes
            if self._read_at == changes:
                return
            self._snapshot = await self._line.snapshot()
            self._ahead = dict(_places(self._snapshot))
            self._read_at = changes

    def _left_running(self, rate: float) -> float:
        """Cost still to be done of what runs, supposing that it shares the throughput evenly."""
        running = self._snapshot.running
        now = self._clock()
        return sum(max(0.0, cost - rate / len(running) * _since(began, now))
                   for cost, began in running)  # fmt: skip


def _places(snapshot: Snapshot) -> Iterable[tuple[int, tuple[int, float]]]:
    """Per waiting job its position and the cost up to and including it."""
    cost = 0.0
    for position, job in enumerate(snapshot.waiting, start=1):
        cost += job.cost
        yield job.id, (position, cost)


def _since(began: datetime, now: datetime) -> float:
    return (now - began).total_seconds()
