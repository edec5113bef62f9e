"""The pictures: files named by their content, and a row about each."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert

from bot.clock import Clock, utc_now
from bot.errors import Gone
from bot.model import DeliveryState, JobStatus
from bot.storage.database import Database
from bot.storage.files import ContentFolder
from bot.storage.tables import images, job_results, jobs

Role = Literal["source", "result"]

_GONE = "That picture is no longer kept."
# A picture is stored a moment before a job's row names it; so long nobody may sweep it.
GRACE = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """What is known of a stored picture. size: bytes; width, height: pixels.

    note: what a member should know of how the source was read, or None.
    """

    sha: str
    width: int
    height: int
    size: int
    mime: str
    role: Role
    created_at: datetime
    note: str | None = None


class ImageStore:
    """Content-addressed pictures: the same content is stored once, however often it is put.

    The file is durable before its row exists, and the row is gone before the file is: dying in
    between leaves at most a file without a row, which a sweep removes.
    """

    def __init__(self, database: Database, folder: Path, clock: Clock = utc_now) -> None:
        self._database = database
        self._files = ContentFolder(folder)
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(
        self,
        data: bytes,
        *,
        role: Role,
        width: int,
        height: int,
        mime: str = "image/png",
        note: str | None = None,
    ) -> str:
        """Stores the picture durably and gives its SHA-256 in hex."""
        sha = await asyncio.to_thread(self._files.name, data)
        now = self._clock()
        statement = insert(images).values(
            sha=sha,
            role=role,
            mime=mime,
            width=width,
            height=height,
            size=len(data),
            note=note,
            created_at=now,
            used_at=now,
        )
        statement = statement.on_conflict_do_update(
            index_elements=["sha"], set_={"used_at": func.max(images.c.used_at, now), "note": note}
        )
        async with self._lock(sha):
            await asyncio.to_thread(self._files.write, sha, data)
            async with self._database.write() as connection:
                await connection.execute(statement)
        return sha

    async def get(self, sha: str) -> bytes:
        """The picture's bytes. Raises Gone."""
        try:
            return await asyncio.to_thread(self._files.read, sha)
        except FileNotFoundError as error:
            raise Gone(_GONE) from error

    async def info(self, sha: str) -> StoredImage:
        """What is known of the picture. Raises Gone."""
        query = select(
            images.c.sha,
            images.c.width,
            images.c.height,
            images.c.size,
            images.c.mime,
            images.c.role,
            images.c.created_at,
            images.c.note,
        ).where(images.c.sha == sha)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise Gone(_GONE)
        return StoredImage(**row)

    async def sweep(self, *, max_age: timedelta, max_bytes: int) -> int:
        """Removes what is not kept any more and says how many pictures that were.

        Removed are pictures that no job holds on to, those not used for max_age, and then the
        longest unused until the rest takes at most max_bytes. Never removed is what a job that
        is not finished or not delivered needs, nor what was stored in the last minutes.
        """
        now = self._clock()
        old = images.c.used_at <= now - max_age
        removed = 0
        for sha in await self._candidates(or_(old, ~_held()), now):
            removed += await self._remove(sha, now) is not None
        excess = await self._total_size() - max_bytes
        if excess > 0:
            for sha in await self._candidates(None, now):
                size = await self._remove(sha, now)
                if size is not None:
                    removed += 1
                    excess -= size
                if excess <= 0:
                    break
        await self._sweep_orphans(now)
        return removed

    async def _candidates(self, condition: ColumnElement[bool] | None, now: datetime) -> list[str]:
        query = select(images.c.sha).where(_removable(now)).order_by(images.c.used_at)
        if condition is not None:
            query = query.where(condition)
        async with self._database.read() as connection:
            return list((await connection.scalars(query)).all())

    async def _remove(self, sha: str, now: datetime) -> int | None:
        """Removes one picture unless a job came to need it; its size, or None."""
        chosen = delete(images).where(images.c.sha == sha, _removable(now))
        async with self._lock(sha):
            async with self._database.write() as connection:
                size: int | None = await connection.scalar(chosen.returning(images.c.size))
            if size is not None:
                await asyncio.to_thread(self._files.remove, sha)
        return size

    async def _sweep_orphans(self, now: datetime) -> None:
        """Removes files that got no row, or lost it."""
        before = (now - GRACE).timestamp()
        names = await asyncio.to_thread(self._files.older_than, before)
        async with self._database.read() as connection:
            known = set(await connection.scalars(select(images.c.sha)))
        for name in names:
            if name not in known:
                await self._remove_orphan(name)

    async def _remove_orphan(self, name: str) -> None:
        """Removes a file unless it has come to a row."""
        async with self._lock(name):
            async with self._database.read() as connection:
                row = select(images.c.sha).where(images.c.sha == name)
                if await connection.scalar(row) is not None:
                    return
            await asyncio.to_thread(self._files.remove, name)

    async def _total_size(self) -> int:
        async with self._database.read() as connection:
            total: int | None = await connection.scalar(select(func.sum(images.c.size)))
        return total or 0

    def _lock(self, sha: str) -> asyncio.Lock:
        """Between a file and its row nobody else may touch either."""
        return self._locks.setdefault(sha, asyncio.Lock())


def _used_by(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a job that fulfils the conditions is made from the picture, or made it."""
    as_source = select(jobs.c.id).where(jobs.c.source == images.c.sha, *conditions)
    as_second = select(jobs.c.id).where(jobs.c.second == images.c.sha, *conditions)
    as_result = (
        select(jobs.c.id)
        .join(job_results, job_results.c.job_id == jobs.c.id)
        .where(job_results.c.sha == images.c.sha, *conditions)
    )
    return or_(
        as_source.correlate(images).exists(),
        as_second.correlate(images).exists(),
        as_result.correlate(images).exists(),
    )


def _held() -> ColumnElement[bool]:
    """Whether a job whose pictures were not deleted shows the picture."""
    return _used_by(jobs.c.deleted_at.is_(None))


def _removable(now: datetime) -> ColumnElement[bool]:
    needed = _used_by(
        or_(
            jobs.c.delivery == DeliveryState.PENDING.value,
            jobs.c.status.in_([status.value for status in JobStatus if not status.finished]),
        )
    )
    return (images.c.used_at <= now - GRACE) & ~needed
