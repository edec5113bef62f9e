"""What Discord has still to be told, and what it was told."""

from sqlalchemy import ColumnElement, update

from bot.clock import Clock, utc_now
from bot.model import DeliveryState, IllegalMove, Job, JobStatus
from bot.storage.database import Database
from bot.storage.moves import read
from bot.storage.rows import job_of, select_jobs
from bot.storage.tables import jobs

FINISHED = tuple(status.value for status in JobStatus if status.finished)


class Outbox:
    """The delivery side of the job log."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def received(self) -> list[Job]:
        """Jobs whose picture is not here yet, oldest first."""
        return await self._list(jobs.c.status == JobStatus.RECEIVED.value)

    async def queued(self) -> list[Job]:
        """Jobs that wait to be run, oldest first."""
        return await self._list(jobs.c.status == JobStatus.QUEUED.value)

    async def undelivered(self) -> list[Job]:
        """Finished jobs of which the member does not know yet, oldest first."""
        return await self._list(
            jobs.c.delivery == DeliveryState.PENDING.value, jobs.c.status.in_(FINISHED)
        )

    async def set_message(self, job_id: int, message_id: int) -> bool:
        """Remembers the placeholder; False where the job is finished, which changes nothing.

        Its end is then told without this message. Raises Gone.
        """
        async with self._database.write() as connection:
            if (await read(connection, job_id)).status.finished:
                return False
            chosen = update(jobs).where(jobs.c.id == job_id)
            await connection.execute(chosen.values(message_id=message_id))
            return True

    async def mark_delivered(
        self, job_id: int, message_id: int | None, *, abandoned: bool = False
    ) -> None:
        """Ends the delivery and forgets the interaction's token; a second time changes nothing.

        message_id: of the card; None keeps the placeholder's.
        Raises Gone, and IllegalMove while the job is not finished.
        """
        state = DeliveryState.ABANDONED if abandoned else DeliveryState.DELIVERED
        async with self._database.write() as connection:
            job = await read(connection, job_id)
            if not job.status.finished:
                raise IllegalMove(f"job {job_id} is {job.status} and cannot be delivered yet")
            if job.delivery is not DeliveryState.PENDING:
                return
            values: dict[str, int | str | None] = {
                "delivery": state.value,
                "interaction_token": None,
            }
            if message_id is not None:
                values["message_id"] = message_id
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))

    async def forget_expired_tokens(self) -> int:
        """Clears interaction tokens that Discord no longer takes; how many."""
        expired = jobs.c.interaction_token.is_not(None) & (jobs.c.token_expires_at <= self._clock())
        statement = update(jobs).where(expired).values(interaction_token=None)
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount

    async def _list(self, *conditions: ColumnElement[bool]) -> list[Job]:
        query = select_jobs().where(*conditions).order_by(jobs.c.id)
        async with self._database.read() as connection:
            return [job_of(row) for row in (await connection.execute(query)).mappings()]
