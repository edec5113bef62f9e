"""Who was served how much, for the fair order: start-time fair queueing over guilds, then members.

The guild served least goes first; within it the member served least. Served is charged in
full when a job is claimed, and what was not spent is given back. Whoever has nothing waiting
saves nothing up: on return their figure is lifted to the least of those who wait (to the
greatest ever reached when nobody waits, so that the past of an idle bot counts against nobody).
"""

from typing import Any

from sqlalchemy import Column, Table, and_, case, exists, func, select, true
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.model import JobStatus
from bot.storage.tables import guild_shares, jobs, member_shares


async def lift(connection: AsyncConnection, guild_id: int, user_id: int) -> None:
    """To be called before a job of theirs is put in the queue."""
    await _lift(connection, guild_shares, [], {"guild_id": guild_id})
    await _lift(
        connection,
        member_shares,
        [member_shares.c.guild_id],
        {"guild_id": guild_id, "user_id": user_id},
    )


async def charge(connection: AsyncConnection, guild_id: int, user_id: int, cost: float) -> None:
    """Adds the cost to what both were served; a negative cost gives back."""
    for table, key in (
        (guild_shares, {"guild_id": guild_id}),
        (member_shares, {"guild_id": guild_id, "user_id": user_id}),
    ):
        statement = insert(table).values(**key, served=cost)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(key), set_={"served": table.c.served + cost}
            )
        )


async def _lift(
    connection: AsyncConnection, table: Table, shared: list[Column[Any]], key: dict[str, int]
) -> None:
    """Lifts the row `key` of `table`, compared with the rows that have the `shared` columns alike.

    Nothing changes while the key has a job waiting: then it is not returning.
    """
    waiting_here = exists().where(
        jobs.c.status == JobStatus.QUEUED.value,
        *(jobs.c[column.name] == table.c[column.name] for column in table.primary_key),
    )
    itself = and_(true(), *(table.c[name] == value for name, value in key.items()))
    peers = and_(true(), *(column == key[column.name] for column in shared))
    waits = select(exists().where(itself, waiting_here)).scalar_subquery()
    least_waiting = select(func.min(table.c.served)).where(peers, waiting_here).scalar_subquery()
    greatest = select(func.max(table.c.served)).where(peers).scalar_subquery()
    floor = case((waits, 0.0), else_=func.coalesce(least_waiting, greatest, 0.0))
    statement = insert(table).values(**key, served=floor)
    higher = func.max(table.c.served, statement.excluded.served)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_={"served": higher})
    )
