"""The bot without gateway and engine, for deliveries."""

import asyncio
import contextlib
import dataclasses
import io
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
from delivery_discord import APP_ID, CHANNEL_ID, GUILD_ID, Discord
from PIL import Image

from bot.discord_ui.delivery import Delivery
from bot.discord_ui.onward import Onward
from bot.jobs.events import EventBus, JobFinished, JobProgressed, JobStarted
from bot.jobs.queue import Queue
from bot.jobs.service import JobService
from bot.model import DeliveryState, Job, JobStatus, Origin, OriginKind
from bot.pictures import PictureWorker
from bot.storage.database import Database
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from bot.storage.line import Line
from bot.storage.outbox import Outbox
from bot.storage.policies import PolicyStore
from inference.catalog import Catalog
from inference.request import Recipe
from inference.result import GenerationResult, Progress

EVERY = 0.3


def picture(width: int = 64, height: int = 48, *, noise: bool = False) -> bytes:
    image = Image.effect_mandelbrot((width, height), (-2, -1, 1, 1), 60).convert("RGB")
    if noise:
        image = Image.frombytes("RGB", image.size, random.Random(1).randbytes(width * height * 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class Studio:
    """Everything of the bot but the gateway and the engine: this plays the dispatcher."""

    def __init__(self, database: Database, folder: Path, discord_: Discord) -> None:
        self.discord = discord_
        self.folder = folder
        self.images = ImageStore(database, folder)
        self.jobs = JobStore(database)
        self.events = EventBus()
        self.service = JobService(
            jobs=self.jobs,
            outbox=Outbox(database),
            queue=Queue(self.jobs, Line(database)),
            policies=PolicyStore(database),
            images=self.images,
            catalog=Catalog(),
            events=self.events,
        )
        self.client: discord.Client
        self.pictures: PictureWorker
        self._interactions = 0

    async def ask(
        self,
        *,
        expires_in: float | None = 900,
        channel: int = CHANNEL_ID,
        known: bool = True,
        queued: bool = True,
        limit: int = 10 * 2**20,
        **recipe: Any,
    ) -> Job:
        """A queued job with its placeholder. expires_in: None for a reaction, without a token.

        known: whether the row already names the placeholder.
        """
        self._interactions += 1
        token = None if expires_in is None else f"token-{self._interactions}"
        placeholder = self.discord.placeholder(token, channel=channel)
        origin = Origin(
            kind=OriginKind.REACTION if token is None else OriginKind.COMMAND,
            guild_id=GUILD_ID,
            channel_id=channel,
            user_id=33,
            reply_to=55 if token is None else None,
            upload_limit=limit,
        )
        if expires_in is not None:
            origin = dataclasses.replace(
                origin,
                interaction_id=self._interactions,
                application_id=APP_ID,
                interaction_token=token,
                token_expires_at=datetime.now(UTC) + timedelta(seconds=expires_in),
            )
        recipe = {"prompt": "a lighthouse"} | recipe
        job, _ = await self.service.receive(
            recipe=Recipe(**recipe), origin=origin, source_url="https://cdn.invalid/a.png"
        )
        if known:
            await self.service.set_message(job.id, placeholder)
        if queued:
            source = await self.images.put(picture(), role="source", width=64, height=48)
            await self.service.submit(job.id, source)
        return await self.service.get(job.id)

    async def start(self, job: Job) -> None:
        while True:
            claimed = await self.jobs.claim()
            assert claimed is not None
            if claimed.id == job.id:
                break
        self.events.publish(JobStarted(job_id=job.id))

    def advance(self, job: Job, step: int, steps: int = 12, preview: bytes | None = None) -> None:
        progress = Progress(step=step, steps=steps, preview=preview)
        self.events.publish(JobProgressed(job_id=job.id, progress=progress))

    async def finish(self, job: Job, *pngs: bytes, tell: bool = True) -> None:
        """From wherever it is to SUCCEEDED."""
        if (await self.service.get(job.id)).status is JobStatus.QUEUED:
            await self.start(job)
        shas = [
            await self.images.put(png, role="result", width=64, height=48)
            for png in pngs or (picture(),)
        ]
        run = GenerationResult(
            images=(),
            model="pocket",
            revision="1",
            scheduler="ddim",
            steps_run=12,
            seconds=1.5,
        )
        await self.jobs.finish(job.id, results=shas, run=run)
        if tell:
            self.events.publish(JobFinished(job_id=job.id))

    @contextlib.asynccontextmanager
    async def delivering(self, **options: Any) -> AsyncIterator[Delivery]:
        """A running Delivery; leaving kills it."""
        options = {"every": EVERY, "grace": 0.3} | options
        delivery = Delivery(
            client=self.client,
            service=self.service,
            images=self.images,
            pictures=self.pictures,
            onward=Onward(catalog=Catalog(), default_model="pocket"),
            **options,
        )
        task = asyncio.create_task(delivery.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it listens now
        try:
            yield delivery
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def settled(self, job: Job) -> Job:
        """Waits until the row says that its delivery is over."""
        return await self.until(job, lambda now: now.delivery is not DeliveryState.PENDING)

    async def until(self, job: Job, true: Callable[[Job], bool], *, seconds: float = 10) -> Job:
        """Waits for something about a row."""
        async with asyncio.timeout(seconds):
            while not true(now := await self.service.get(job.id)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return now
