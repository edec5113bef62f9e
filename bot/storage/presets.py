"""The presets that guilds made, stored."""

from dataclasses import asdict

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from bot.storage.database import Database
from bot.storage.tables import guild_presets
from inference.presets import Preset


class PresetStore:
    """A guild's own presets by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, guild_id: int) -> list[Preset]:
        """All of the guild, by name."""
        columns = [column for column in guild_presets.c if column.name != "guild_id"]
        query = select(*columns).where(guild_presets.c.guild_id == guild_id)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(guild_presets.c.name))
            return [Preset(**row) for row in rows.mappings()]

    async def put(self, guild_id: int, preset: Preset) -> None:
        """Stores it in place of one of the same name."""
        values = asdict(preset)
        statement = insert(guild_presets).values(guild_id=guild_id, **values)
        statement = statement.on_conflict_do_update(
            index_elements=["guild_id", "name"], set_=values
        )
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def remove(self, guild_id: int, name: str) -> bool:
        """Whether there was one of this name."""
        statement = delete(guild_presets).where(
            guild_presets.c.guild_id == guild_id, guild_presets.c.name == name
        )
        async with self._database.write() as connection:
            return bool((await connection.execute(statement)).rowcount)
