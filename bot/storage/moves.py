"""A job's moves from state to state: none but the legal ones, each settled by one statement."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import Gone
from bot.model import LEGAL_MOVES, IllegalMove, Job, JobStatus
from bot.storage.rows import job_of, select_jobs
from bot.storage.tables import jobs


async def read(connection: AsyncConnection, job_id: int) -> Job:
    """Raises Gone."""
    result = await connection.execute(select_jobs().where(jobs.c.id == job_id))
    row = result.mappings().one_or_none()
    if row is None:
        raise Gone("That job is not in the log any more.")
    return job_of(row)


async def move(
    connection: AsyncConnection,
    job_id: int,
    to: JobStatus,
    *,
    only_from: JobStatus | None = None,
    **values: Any,
) -> None:
    """Moves the job to `to` and sets the columns in `values`.

    only_from: narrower than what is legal, for a caller that knows where the job must be.
    Raises IllegalMove where the job is in no state that may move there, Gone where it is none.
    """
    origins = [status for status, moves in LEGAL_MOVES.items() if to in moves]
    if only_from is not None:
        origins = [status for status in origins if status == only_from]
    statement = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status.in_([status.value for status in origins]))
        .values(status=to.value, **values)
    )
    if (await connection.execute(statement)).rowcount:
        return
    status = await connection.scalar(select(jobs.c.status).where(jobs.c.id == job_id))
    if status is None:
        raise Gone("That job is not in the log any more.")
    raise IllegalMove(f"job {job_id} is {status} and cannot become {to.value}")
