"""Recording what arrives: a burst in one transaction, so that nobody waits for hundreds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.clock import Clock
from bot.errors import Refused
from bot.model import DeliveryState, Job, JobStatus, Origin
from bot.storage.database import Database
from bot.storage.rows import job_of, origin_values, select_jobs
from bot.storage.tables import jobs
from bot.storage.usage import Backlog, Backlogs
from inference.request import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """What is known of a job when it is received, and who waits for its row.

    admit: raises Refused where there are too many jobs before it.
    """

    recipe: Recipe
    origin: Origin
    parent_id: int | None
    source_url: str | None
    source: str | None
    second_url: str | None
    second: str | None
    admit: Callable[[Backlog], None]
    answer: asyncio.Future[tuple[Job, bool]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Arrivals:
    """Writes the rows of everybody who came while the database was busy at once, before others."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: list[Arrival] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, arrival: Arrival) -> tuple[Job, bool]:
        """The RECEIVED job once its row is committed; False with the first one of a replay.

        Raises Refused where `admit` does; there is no row then. Looking and recording are one
        transaction: nobody gets in between.
        """
        self._waiting.append(arrival)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await arrival.answer

    async def _write(self) -> None:
        while self._waiting:
            batch: list[Arrival] = []
            try:
                async with self._database.write(urgent=True) as connection:
                    batch, self._waiting = self._waiting, batch
                    answers = await self._record(connection, batch)
            except Exception as error:  # whatever it is, it belongs to those who wait
                if not batch:
                    batch, self._waiting = self._waiting, batch
                for arrival in batch:
                    if not arrival.answer.done():
                        arrival.answer.set_exception(error)
            else:
                for arrival, answer in zip(batch, answers, strict=True):
                    if arrival.answer.done():
                        continue
                    if isinstance(answer, Refused):
                        arrival.answer.set_exception(answer)
                    else:
                        arrival.answer.set_result(answer)

    async def _record(
        self, connection: AsyncConnection, batch: list[Arrival]
    ) -> list[tuple[Job, bool] | Refused]:
        """One answer per arrival, in order."""
        known = await _known(connection, batch)
        backlogs = await Backlogs.read(connection, {one.origin.guild_id for one in batch})
        new: dict[int, Arrival] = {}
        refused: dict[int, Refused] = {}
        seen: set[int | None] = {*known}
        for index, arrival in enumerate(batch):
            origin = arrival.origin
            if origin.interaction_id in seen:
                continue
            try:
                arrival.admit(backlogs.of(origin.guild_id, origin.user_id))
            except Refused as error:
                refused[index] = error
                continue
            new[index] = arrival
            backlogs.add(origin.guild_id, origin.user_id)
            if origin.interaction_id is not None:
                seen.add(origin.interaction_id)
        made: dict[int, Job] = {}
        if new:
            now = self._clock()
            rows = [_values(arrival) | {"created_at": now} for arrival in new.values()]
            ids = await _insert(connection, rows)
            for (index, arrival), job_id in zip(new.items(), ids, strict=True):
                made[index] = job = _job(job_id, arrival, now)
                if arrival.origin.interaction_id is not None:
                    known[arrival.origin.interaction_id] = job

        def answer(index: int, arrival: Arrival) -> tuple[Job, bool] | Refused:
            if index in refused:
                return refused[index]
            if index in made:
                return made[index], True
            return known[cast(int, arrival.origin.interaction_id)], False

        return [answer(index, arrival) for index, arrival in enumerate(batch)]


async def _insert(connection: AsyncConnection, rows: list[dict[str, Any]]) -> list[int]:
    """The ids of the new rows. Nobody else writes meanwhile, so they are all that is new."""
    last = await connection.scalar(select(func.max(jobs.c.id)))
    await connection.execute(insert(jobs), rows)
    new = select(jobs.c.id).where(jobs.c.id > (last or 0)).order_by(jobs.c.id)
    return list((await connection.scalars(new)).all())


async def _known(connection: AsyncConnection, batch: list[Arrival]) -> dict[int, Job]:
    """Jobs that were recorded before, by their interaction."""
    interactions = {arrival.origin.interaction_id for arrival in batch} - {None}
    query = select_jobs().where(jobs.c.interaction_id.in_(interactions))
    found = [job_of(row) for row in (await connection.execute(query)).mappings()]
    return {cast(int, job.origin.interaction_id): job for job in found}


def _values(arrival: Arrival) -> dict[str, Any]:
    return {
        "status": JobStatus.RECEIVED.value,
        "recipe": arrival.recipe.to_json(),
        "parent_id": arrival.parent_id,
        "source_url": arrival.source_url,
        "source": arrival.source,
        "second_url": arrival.second_url,
        "second": arrival.second,
        "delivery": DeliveryState.PENDING.value,
        **origin_values(arrival.origin),
    }


def _job(job_id: int, arrival: Arrival, now: datetime) -> Job:
    """The row as it would be read."""
    return Job(
        id=job_id,
        status=JobStatus.RECEIVED,
        recipe=arrival.recipe,
        origin=arrival.origin,
        parent_id=arrival.parent_id,
        source_url=arrival.source_url,
        source=arrival.source,
        second_url=arrival.second_url,
        second=arrival.second,
        width=None,
        height=None,
        cost=0.0,
        attempts=0,
        results=(),
        steps_run=None,
        seconds=None,
        message_id=None,
        delivery=DeliveryState.PENDING,
        error=None,
        reference=None,
        created_at=now,
        queued_at=None,
        started_at=None,
        finished_at=None,
    )
