"""Figures about the job log as a whole, for the owner's metrics and gallery."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from bot.clock import Clock, utc_now
from bot.model import DeliveryState, Job, JobStatus
from bot.storage.database import Database
from bot.storage.outbox import FINISHED
from bot.storage.rows import job_of, select_jobs
from bot.storage.tables import images, jobs


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """The job log in numbers.

    by_status: every JobStatus with its number of jobs.
    undelivered: finished jobs of which the member does not know yet.
    charged: megapixel-rows charged in all.
    waits, totals: seconds from queued to started and from queued to finished of the jobs that
        succeeded within the window, unordered.
    pictures, picture_bytes: what the image store holds.
    """

    by_status: dict[JobStatus, int]
    undelivered: int
    charged: float
    waits: tuple[float, ...]
    totals: tuple[float, ...]
    pictures: int
    picture_bytes: int


class Statistics:
    """Reads the log; changes nothing."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def figures(self, window: timedelta = timedelta(hours=1)) -> Figures:
        """All figures, from one consistent state."""
        counted = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        pending = select(func.count()).where(
            jobs.c.delivery == DeliveryState.PENDING.value, jobs.c.status.in_(FINISHED)
        )
        timed = select(jobs.c.queued_at, jobs.c.started_at, jobs.c.finished_at).where(
            jobs.c.status == JobStatus.SUCCEEDED.value,
            jobs.c.finished_at > self._clock() - window,
        )
        kept = select(func.count(), func.coalesce(func.sum(images.c.size), 0))
        async with self._database.read() as connection:
            counts = {row[0]: row[1] for row in await connection.execute(counted)}
            times = (await connection.execute(timed)).all()
            pictures, size = (await connection.execute(kept.select_from(images))).one()
            return Figures(
                by_status={status: counts.get(status.value, 0) for status in JobStatus},
                undelivered=await connection.scalar(pending) or 0,
                charged=await connection.scalar(select(func.sum(jobs.c.charged))) or 0.0,
                waits=tuple((started - queued).total_seconds() for queued, started, _ in times),
                totals=tuple((finished - queued).total_seconds() for queued, _, finished in times),
                pictures=pictures,
                picture_bytes=size,
            )

    async def latest(self, limit: int, before: int | None = None) -> list[Job]:
        """Succeeded jobs that still have their pictures, newest first.

        before: only jobs with a smaller id, for the next page.
        """
        # Most jobs succeed: told so, SQLite reads the newest rows instead of sorting all of them.
        succeeded = func.likely(jobs.c.status == JobStatus.SUCCEEDED.value)
        query = (
            select_jobs()
            .where(succeeded, jobs.c.deleted_at.is_(None))
            .order_by(jobs.c.id.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(jobs.c.id < before)
        async with self._database.read() as connection:
            return [job_of(row) for row in (await connection.execute(query)).mappings()]
