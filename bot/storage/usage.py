"""What a guild and a member used lately and have waiting, read from the job log."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.model import JobStatus
from bot.storage.tables import jobs


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """Cost that counts against the windows from `at` on; megapixel-rows."""

    at: datetime
    cost: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What one member and their guild have used within the window, and what waits or runs.

    member, guild: charges, oldest first; the guild's include the member's.
    member_waiting, guild_waiting: jobs QUEUED or RUNNING.
    """

    member: tuple[Charge, ...]
    guild: tuple[Charge, ...]
    member_waiting: int
    guild_waiting: int


async def read_load(
    connection: AsyncConnection, guild_id: int, user_id: int, since: datetime
) -> Load:
    """since: the window's beginning; a charge made exactly then has left it."""
    recent = (
        select(jobs.c.user_id, jobs.c.queued_at, jobs.c.charged)
        .where(jobs.c.guild_id == guild_id, jobs.c.queued_at > since, jobs.c.charged > 0)
        .order_by(jobs.c.queued_at)
    )
    guild = [
        (user, Charge(at=at, cost=charged))
        for user, at, charged in (await connection.execute(recent)).all()
    ]
    waiting = (
        select(jobs.c.user_id, func.count())
        .where(
            jobs.c.guild_id == guild_id,
            jobs.c.status.in_([JobStatus.QUEUED.value, JobStatus.RUNNING.value]),
        )
        .group_by(jobs.c.user_id)
    )
    counts = {row[0]: row[1] for row in await connection.execute(waiting)}
    return Load(
        member=tuple(charge for user, charge in guild if user == user_id),
        guild=tuple(charge for _, charge in guild),
        member_waiting=counts.get(user_id, 0),
        guild_waiting=sum(counts.values()),
    )
