"""What a guild and a member used lately and have unfinished, read from the job log."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.model import JobStatus
from bot.storage.tables import jobs

UNFINISHED = tuple(status.value for status in JobStatus if not status.finished)


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """Cost that counts against the windows from `at` on; megapixel-rows."""

    at: datetime
    cost: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What one member and their guild have used within the window.

    member, guild: charges, oldest first; the guild's include the member's.
    """

    member: tuple[Charge, ...]
    guild: tuple[Charge, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """How many jobs of one member and of their whole guild are RECEIVED, QUEUED or RUNNING."""

    member: int
    guild: int


class Backlogs:
    """The backlogs of some guilds, in the transaction that adds to them."""

    def __init__(self, counts: Counter[tuple[int, int]]) -> None:
        self._members = counts
        self._guilds: Counter[int] = Counter()
        for (guild_id, _), count in counts.items():
            self._guilds[guild_id] += count

    @classmethod
    async def read(cls, connection: AsyncConnection, guilds: Collection[int]) -> "Backlogs":
        """Of these guilds."""
        # Counted here: to group by guilds SQLite takes the index that begins with them, and reads
        # all that they ever asked for.
        query = select(jobs.c.guild_id, jobs.c.user_id).where(
            jobs.c.status.in_(UNFINISHED), jobs.c.guild_id.in_(guilds)
        )
        rows = (await connection.execute(query)).all()
        return cls(Counter((guild_id, user_id) for guild_id, user_id in rows))

    def of(self, guild_id: int, user_id: int) -> Backlog:
        """As it is with what was added."""
        return Backlog(member=self._members[guild_id, user_id], guild=self._guilds[guild_id])

    def add(self, guild_id: int, user_id: int) -> None:
        """One more job of this member."""
        self._members[guild_id, user_id] += 1
        self._guilds[guild_id] += 1


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
    return Load(
        member=tuple(charge for user, charge in guild if user == user_id),
        guild=tuple(charge for _, charge in guild),
    )
