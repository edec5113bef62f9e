"""What each guild allows, stored."""

from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from bot.model import GuildPolicy
from bot.storage.database import Database
from bot.storage.tables import guild_policies


class PolicyStore:
    """One row per guild that changed something; the defaults for every other.

    Every request asks for its guild's policy several times before it is acknowledged, so what was
    read is remembered: nobody else writes the table while the bot runs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, GuildPolicy] = {}

    async def get(self, guild_id: int) -> GuildPolicy:
        """The guild's policy, or the defaults when it stored none."""
        if guild_id not in self._known:
            # What was put while this read was under way is newer.
            self._known.setdefault(guild_id, await self._read(guild_id))
        return self._known[guild_id]

    async def put(self, policy: GuildPolicy) -> None:
        """Stores the policy in place of the guild's former one."""
        values = asdict(policy)
        values["channels"] = list(policy.channels)
        statement = insert(guild_policies).values(**values)
        del values["guild_id"]
        statement = statement.on_conflict_do_update(index_elements=["guild_id"], set_=values)
        async with self._database.write() as connection:
            await connection.execute(statement)
        self._known[policy.guild_id] = policy

    async def _read(self, guild_id: int) -> GuildPolicy:
        query = select(guild_policies).where(guild_policies.c.guild_id == guild_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return GuildPolicy(guild_id=guild_id)
        return GuildPolicy(**{**row, "channels": tuple(row["channels"])})
