"""The job log: every job from before its acknowledgement on. Its QUEUED rows are the queue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock, utc_now
from bot.errors import Gone
from bot.model import DeliveryState, Job, JobStatus, Origin
from bot.storage import shares
from bot.storage.arrivals import Arrival, Arrivals
from bot.storage.database import Database
from bot.storage.moves import move, read
from bot.storage.rows import job_of, run_values, select_jobs
from bot.storage.tables import guild_shares, images, job_results, jobs, member_shares
from bot.storage.usage import Backlog, Load, read_load
from inference.request import Recipe
from inference.result import GenerationResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """What became of the jobs that were RUNNING when the bot stopped; ids."""

    requeued: tuple[int, ...]
    failed: tuple[int, ...]


class JobStore:
    """Records jobs and moves them; every method is one transaction.

    Methods that take a job id raise Gone where there is no such job, and IllegalMove where it
    is in no state that may move that way.
    """

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._changes = 0
        self._arrivals = Arrivals(database, clock)

    @property
    def changes(self) -> int:
        """Grows whenever the queue changed: what was read of it before is stale."""
        return self._changes

    async def receive(
        self,
        *,
        recipe: Recipe,
        origin: Origin,
        parent_id: int | None = None,
        source_url: str | None = None,
        source: str | None = None,
        second_url: str | None = None,
        second: str | None = None,
        admit: Callable[[Backlog], None] = lambda _: None,
    ) -> tuple[Job, bool]:
        """Records a job as RECEIVED; False with the first one where the interaction is known.

        admit: sees what is unfinished already, and may raise Refused; nothing is recorded then.
        """
        arrival = Arrival(
            recipe=recipe,
            origin=origin,
            parent_id=parent_id,
            source_url=source_url,
            source=source,
            second_url=second_url,
            second=second,
            admit=admit,
        )
        return await self._arrivals.record(arrival)

    async def get(self, job_id: int) -> Job:
        """The job as it is now."""
        async with self._database.read() as connection:
            return await read(connection, job_id)

    async def made(self, guild_id: int, sha: str) -> Job | None:
        """The newest job of the guild with this picture among its results, or None."""
        makers = select(job_results.c.job_id).where(job_results.c.sha == sha)
        query = select_jobs().where(jobs.c.guild_id == guild_id, jobs.c.id.in_(makers))
        async with self._database.read() as connection:
            found = await connection.execute(query.order_by(jobs.c.id.desc()).limit(1))
            row = found.mappings().one_or_none()
        return None if row is None else job_of(row)

    async def load(self, guild_id: int, user_id: int, window: timedelta) -> Load:
        """What was used within the window that ends now."""
        async with self._database.read() as connection:
            return await read_load(connection, guild_id, user_id, self._clock() - window)

    async def enqueue(
        self,
        job_id: int,
        *,
        source: str | None,
        width: int,
        height: int,
        cost: float,
        window: timedelta,
        admit: Callable[[Load], None],
        second: str | None = None,
    ) -> Job:
        """RECEIVED → QUEUED, unless `admit` raises on seeing what was used within `window`.

        source, second: hashes of stored pictures; Gone is raised where one is not there. None:
        over nothing, and no second one.
        Looking and queueing are one transaction: nobody gets in between.
        """
        now = self._clock()
        async with self._database.write() as connection:
            job = await read(connection, job_id)
            guild_id, user_id = job.origin.guild_id, job.origin.user_id
            await _use(connection, source, now, "source picture")
            await _use(connection, second, now, "second picture")
            admit(await read_load(connection, guild_id, user_id, now - window))
            await shares.lift(connection, guild_id, user_id)
            values: dict[str, Any] = {"source": source, "second": second, "queued_at": now}
            values |= {"width": width, "height": height, "cost": cost}
            await move(
                connection,
                job_id,
                JobStatus.QUEUED,
                only_from=JobStatus.RECEIVED,
                charged=cost,
                **values,
            )
            job = replace(job, status=JobStatus.QUEUED, **values)
        self._changes += 1
        return job

    async def claim(self) -> Job | None:
        """QUEUED → RUNNING for the job whose turn it is, charged in full; None when none waits."""
        async with self._database.write() as connection:
            statement = _CLAIM.values(
                status=JobStatus.RUNNING.value,
                attempts=jobs.c.attempts + 1,
                started_at=self._clock(),
            ).returning(jobs.c.id)
            job_id = await connection.scalar(statement)
            if job_id is None:
                return None
            job = await read(connection, job_id)
            await shares.charge(connection, job.origin.guild_id, job.origin.user_id, job.cost)
        self._changes += 1
        return job

    async def finish(self, job_id: int, *, results: Sequence[str], run: GenerationResult) -> Job:
        """RUNNING → SUCCEEDED with the hashes of its stored pictures, in order."""
        async with self._database.write() as connection:
            await self._end(connection, job_id, JobStatus.SUCCEEDED, **run_values(run))
            if results:
                rows = [
                    {"job_id": job_id, "position": position, "sha": sha}
                    for position, sha in enumerate(results)
                ]
                await connection.execute(insert(job_results), rows)
            job = await read(connection, job_id)
        self._changes += 1
        return job

    async def fail(
        self,
        job_id: int,
        *,
        text: str,
        reference: str | None = None,
        spent: float = 0.0,
        delivery: DeliveryState = DeliveryState.PENDING,
    ) -> Job:
        """→ FAILED, charged only what was `spent` (0 … cost)."""
        values = {"error": text, "reference": reference, "delivery": delivery.value}
        return await self._stop(job_id, JobStatus.FAILED, spent, **values)

    async def refuse(self, job_id: int, *, text: str) -> Job:
        """RECEIVED → REFUSED; costs nothing."""
        return await self._stop(job_id, JobStatus.REFUSED, 0.0, error=text)

    async def cancel(self, job_id: int) -> Job:
        """→ CANCELLED; costs nothing until `charge` says what a running one had spent."""
        return await self._stop(job_id, JobStatus.CANCELLED, 0.0)

    async def charge(self, job_id: int, spent: float) -> None:
        """Charges a job that ended by being cancelled with what it had spent by then."""
        async with self._database.write() as connection:
            job = await read(connection, job_id)
            values = {"charged": jobs.c.charged + spent}
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
            await shares.charge(connection, job.origin.guild_id, job.origin.user_id, spent)

    async def requeue(self, job_id: int, *, spent: float = 0.0, count_attempt: bool = True) -> Job:
        """RUNNING → QUEUED in its old place; its guild's share keeps only what was `spent`.

        count_attempt: False where the attempt ended for no reason of the job's or the engine's.
        """
        async with self._database.write() as connection:
            await self._back(connection, job_id, spent, 0 if count_attempt else 1)
            job = await read(connection, job_id)
        self._changes += 1
        return job

    async def recover(self, *, max_attempts: int, text: str) -> Recovery:
        """At start: no RUNNING job is running. Each goes back, or fails with `text` at the limit.

        How much they had spent died with the engine, so they are charged nothing for it.
        """
        requeued, failed = [], []
        running = select(jobs.c.id, jobs.c.attempts).where(jobs.c.status == JobStatus.RUNNING.value)
        async with self._database.write() as connection:
            for job_id, attempts in (await connection.execute(running.order_by(jobs.c.id))).all():
                if attempts < max_attempts:
                    await self._back(connection, job_id, 0.0, 0)
                    requeued.append(job_id)
                else:
                    await self._refund(connection, job_id, 0.0)
                    await self._end(connection, job_id, JobStatus.FAILED, error=text, charged=0.0)
                    failed.append(job_id)
        self._changes += 1
        return Recovery(requeued=tuple(requeued), failed=tuple(failed))

    async def delete(self, job_id: int) -> Job:
        """Lets go of a finished job's pictures, so that they may be swept; a second time is fine.

        What was still to be delivered is not any more.
        """
        async with self._database.write() as connection:
            await connection.execute(delete(job_results).where(job_results.c.job_id == job_id))
            values = {"deleted_at": func.coalesce(jobs.c.deleted_at, self._clock())}
            chosen = update(jobs).where(jobs.c.id == job_id)
            await connection.execute(chosen.values(values))
            pending = chosen.where(jobs.c.delivery == DeliveryState.PENDING.value)
            over = {"delivery": DeliveryState.ABANDONED.value, "interaction_token": None}
            await connection.execute(pending.values(over))
            return await read(connection, job_id)

    async def _stop(self, job_id: int, to: JobStatus, spent: float, **values: Any) -> Job:
        async with self._database.write() as connection:
            await self._refund(connection, job_id, spent)
            await self._end(connection, job_id, to, charged=spent, **values)
            job = await read(connection, job_id)
        self._changes += 1
        return job

    async def _end(
        self, connection: AsyncConnection, job_id: int, to: JobStatus, **values: Any
    ) -> None:
        await move(connection, job_id, to, finished_at=self._clock(), **values)

    async def _back(
        self, connection: AsyncConnection, job_id: int, spent: float, attempts: int
    ) -> None:
        await self._refund(connection, job_id, spent)
        job = await read(connection, job_id)
        await shares.lift(connection, job.origin.guild_id, job.origin.user_id)
        await move(
            connection,
            job_id,
            JobStatus.QUEUED,
            only_from=JobStatus.RUNNING,
            attempts=jobs.c.attempts - attempts,
            started_at=None,
        )

    @staticmethod
    async def _refund(connection: AsyncConnection, job_id: int, spent: float) -> None:
        """Gives the guild and the member back what a RUNNING job was charged but did not spend."""
        job = await read(connection, job_id)
        if job.status is JobStatus.RUNNING:
            guild_id, user_id = job.origin.guild_id, job.origin.user_id
            await shares.charge(connection, guild_id, user_id, spent - job.cost)


async def _use(connection: AsyncConnection, sha: str | None, now: datetime, name: str) -> None:
    """Notes that a stored picture is used. Raises Gone where it is not there."""
    if sha is not None:
        used = update(images).where(images.c.sha == sha).values(used_at=now)
        if not (await connection.execute(used)).rowcount:
            raise Gone(f"The {name} is no longer kept; send it again.")


_queued = jobs.alias("queued")
_next = (
    select(_queued.c.id)
    .outerjoin(guild_shares, guild_shares.c.guild_id == _queued.c.guild_id)
    .outerjoin(
        member_shares,
        (member_shares.c.guild_id == _queued.c.guild_id)
        & (member_shares.c.user_id == _queued.c.user_id),
    )
    .where(_queued.c.status == JobStatus.QUEUED.value)
    .order_by(
        func.coalesce(guild_shares.c.served, 0.0),
        func.coalesce(member_shares.c.served, 0.0),
        _queued.c.id,
    )
    .limit(1)
    .scalar_subquery()
)
_CLAIM = update(jobs).where(jobs.c.id == _next, jobs.c.status == JobStatus.QUEUED.value)
