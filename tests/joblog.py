"""A real job log in a folder, with a clock that tests move, and jobs to put into it."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from bot.jobs.events import EventBus
from bot.jobs.queue import Queue
from bot.jobs.service import JobService
from bot.model import Job, Origin, OriginKind
from bot.storage.database import Database
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from bot.storage.line import Line
from bot.storage.outbox import Outbox
from bot.storage.policies import PolicyStore
from inference.catalog import Catalog
from inference.request import Recipe
from inference.result import GenerationResult

HOUR = timedelta(hours=1)


class FakeClock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **units: float) -> datetime:
        self.now += timedelta(**units)
        return self.now


def png(shade: int = 0, side: int = 64) -> bytes:
    """A picture; every shade 0…255 is another one."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 100, 50)).save(out, "PNG")
    return out.getvalue()


def run(**values: Any) -> GenerationResult:
    defaults = {
        "images": (),
        "model": "pocket",
        "revision": "abc123",
        "scheduler": "ddim",
        "steps_run": 12,
        "seconds": 2.0,
        "batch_shape": "2x4x32x32",
        "versions": {"torch": "2.13.0"},
    }
    return GenerationResult(**(defaults | values))


@dataclass(kw_only=True)
class JobLog:
    """All stores over one database file, and a service over them."""

    folder: Path
    database: Database
    clock: FakeClock
    jobs: JobStore
    outbox: Outbox
    line: Line
    policies: PolicyStore
    images: ImageStore
    events: EventBus
    service: JobService
    _interactions: count = field(default_factory=lambda: count(1000))
    _source: str | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, clock: FakeClock | None = None) -> AsyncIterator["JobLog"]:
        clock = clock or FakeClock()
        async with Database.open(f"sqlite+aiosqlite:///{folder / 'log.db'}") as database:
            jobs, line = JobStore(database, clock), Line(database)
            outbox, policies = Outbox(database, clock), PolicyStore(database)
            images, events = ImageStore(database, folder / "pictures", clock), EventBus()
            yield cls(
                folder=folder,
                database=database,
                clock=clock,
                jobs=jobs,
                outbox=outbox,
                line=line,
                policies=policies,
                images=images,
                events=events,
                service=JobService(
                    jobs=jobs,
                    outbox=outbox,
                    queue=Queue(jobs, line, clock),
                    policies=policies,
                    images=images,
                    catalog=Catalog(),
                    events=events,
                ),
            )

    def origin(self, guild: int = 1, user: int = 1, **values: Any) -> Origin:
        defaults = {
            "kind": OriginKind.COMMAND,
            "guild_id": guild,
            "channel_id": 7,
            "user_id": user,
            "interaction_id": next(self._interactions),
            "application_id": 5,
            "interaction_token": "token",
            "token_expires_at": self.clock() + timedelta(minutes=15),
        }
        return Origin(**(defaults | values))

    async def source(self) -> str:
        if self._source is None:
            self._source = await self.images.put(png(), role="source", width=64, height=64)
        return self._source

    async def received(self, guild: int = 1, user: int = 1, **recipe: Any) -> Job:
        values = {"prompt": "a cat", "guidance": 1.0} | recipe
        job, created = await self.jobs.receive(
            recipe=Recipe(**values), origin=self.origin(guild, user), source_url="https://x/y.png"
        )
        assert created
        return job

    async def queued(self, guild: int = 1, user: int = 1, cost: float = 1.0, **recipe: Any) -> Job:
        """A job in the queue at a price of its own, whatever the policy says."""
        job = await self.received(guild, user, **recipe)
        return await self.jobs.enqueue(
            job.id,
            source=await self.source(),
            width=64,
            height=64,
            cost=cost,
            window=HOUR,
            admit=lambda load: None,
        )

    async def running(self, guild: int = 1, user: int = 1, cost: float = 1.0) -> Job:
        """A claimed job; nothing else may wait."""
        job = await self.queued(guild, user, cost)
        claimed = await self.jobs.claim()
        assert claimed is not None and claimed.id == job.id
        return claimed

    async def done(self, guild: int = 1, user: int = 1, cost: float = 1.0, shade: int = 1) -> Job:
        """A finished job with one picture; nothing else may wait."""
        job = await self.running(guild, user, cost)
        sha = await self.images.put(png(shade), role="result", width=64, height=64)
        return await self.jobs.finish(job.id, results=[sha], run=run())
