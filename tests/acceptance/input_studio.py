"""The bot against the sandbox with everything real but the model: sockets, SQLite, processes.

Only the executor is replaced: it paints plain colours, and only while it is let.
"""

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from bot.discord_ui.client import Palimpsest
from bot.discord_ui.compare import Comparer
from bot.discord_ui.delivery import Delivery
from bot.discord_ui.endpoint import point_at
from bot.discord_ui.intake import Intake
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.events import EventBus
from bot.jobs.presets import Presets
from bot.jobs.queue import Queue
from bot.jobs.service import JobService
from bot.model import DeliveryState, GuildPolicy, Job
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker
from bot.sandbox.members import Interaction
from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox
from bot.settings import Settings
from bot.storage.database import Database
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from bot.storage.line import Line
from bot.storage.outbox import Outbox
from bot.storage.policies import PolicyStore
from bot.storage.presets import PresetStore
from bot.storage.rows import job_of, select_jobs
from inference.catalog import Catalog
from inference.errors import GenerationCancelled
from inference.executors.base import ExecutorState
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress

NOTES = {"denoise": ("The noise is about 7 *of 255*.",)}
"""What the painter says of a task's result."""


class Painter:
    """Paints the seed as a colour. `pause` keeps the jobs that it has; `resume` lets them go.

    result: what it gives instead, a PNG with its size.
    """

    state = ExecutorState.READY
    problem = None
    capacity = 2

    def __init__(self) -> None:
        self.requests: dict[int, GenerationRequest] = {}
        self.result: tuple[bytes, tuple[int, int]] | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._cancelled: dict[int, asyncio.Event] = {}

    def pause(self) -> None:
        self._free.clear()

    def resume(self) -> None:
        self._free.set()

    async def start(self) -> None: ...

    async def generate(
        self, job_id: int, request: GenerationRequest, on_progress: Callable[[Progress], None]
    ) -> GenerationResult:
        self.requests[job_id] = request
        on_progress(Progress(step=0, steps=request.steps_run))
        cancelled = self._cancelled[job_id] = asyncio.Event()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._free, cancelled)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if cancelled.is_set():
            raise GenerationCancelled("Stopped.")
        pictures = [self._picture(seed) for seed in map(request.seed_of, range(request.count))]
        return GenerationResult(
            images=tuple(pictures),
            model=request.model,
            revision="1",
            scheduler="ddim",
            steps_run=request.steps_run,
            seconds=0.1,
            notes=NOTES.get(request.task, ()),
        )

    def _picture(self, seed: int) -> GeneratedImage:
        data, (width, height) = self.result or (plain_png(64, 48, seed), (64, 48))
        return GeneratedImage(data=data, width=width, height=height, seed=seed)

    def cancel(self, job_id: int) -> None:
        if job_id in self._cancelled:
            self._cancelled[job_id].set()

    async def close(self) -> None: ...


def plain_png(width: int, height: int, number: int) -> bytes:
    buffer = io.BytesIO()
    colour = (number & 255, number >> 8 & 255, number >> 16 & 255)
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class Studio:
    sandbox: Sandbox
    client: Palimpsest
    service: JobService
    painter: Painter
    images: ImageStore
    database: Database


@contextlib.asynccontextmanager
async def studio(sandbox: Sandbox, home: Path, *, grace: float = 10.0) -> AsyncIterator[Studio]:
    """One run of the bot, from its start to its stop."""
    point_at(sandbox.api_url)
    settings = Settings(discord_api_url=sandbox.api_url, palimpsest_home=home, _env_file=None)
    limits = PictureLimits(max_bytes=settings.max_source_bytes, max_pixels=50_000_000)
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        pictures = await stack.enter_async_context(PictureWorker(limits))
        jobs = JobStore(database)
        images = ImageStore(database, settings.pictures)
        catalog = Catalog(settings.models)
        service = JobService(
            jobs=jobs,
            outbox=Outbox(database),
            queue=Queue(jobs, Line(database)),
            policies=PolicyStore(database),
            images=images,
            catalog=catalog,
            events=EventBus(),
        )
        painter = Painter()
        intake = Intake(session=session, pictures=pictures, images=images, settings=settings)
        client = Palimpsest(
            service=service,
            presets=Presets(PresetStore(database)),
            intake=intake,
            comparer=Comparer(intake=intake, images=images, pictures=pictures),
            catalog=catalog,
            home=home,
            default_model="pocket",
            max_source_bytes=settings.max_source_bytes,
        )
        dispatcher = Dispatcher(
            jobs=jobs, images=images, executor=painter, events=service.events, max_attempts=3
        )
        delivery = Delivery(
            client=client,
            service=service,
            images=images,
            pictures=pictures,
            onward=client.flows.onward,
            every=0.2,
            grace=grace,
        )
        received = await service.received()
        await stack.enter_async_context(client)
        await client.login(sandbox.token)
        tasks = [
            asyncio.create_task(work)
            for work in (
                delivery.run(),
                dispatcher.run(),
                client.resume_received(received),
                client.connect(),
            )
        ]
        try:
            await sandbox.wait_ready()
            yield Studio(
                sandbox=sandbox,
                client=client,
                service=service,
                painter=painter,
                images=images,
                database=database,
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


SOURCE = ("harbour.png", plain_png(128, 96, 0x804020))
OTHER = ("other.png", plain_png(96, 128, 0x204080))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    async with Sandbox() as sandbox, studio(sandbox, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def here(everything: Studio) -> AsyncIterator[Studio]:
    """The studio with a generous policy, and nobody at work."""
    await set_policy(everything)
    yield everything
    everything.painter.resume()
    everything.sandbox.weather.clear()
    assert everything.sandbox.troubles == []


async def set_policy(here: Studio, **values: Any) -> None:
    guild = here.sandbox.world.atelier.id
    generous = GuildPolicy(guild_id=guild, member_budget=1e6, guild_budget=1e6, member_queue=100)
    await here.service.set_policy(replace(generous, **values))


async def ask(here: Studio, who: str = "ada", **options: Any) -> Interaction:
    given = {"image": SOURCE, "prompt": "ink wash"} | options
    return await here.sandbox.member(who).slash("studio", "reimagine", **given)


async def card_of(here: Studio, who: str = "ada", **options: Any) -> Post:
    return await gallery(await ask(here, who, **options))


async def gallery(asked: Interaction) -> Post:
    return await asked.wait_for(lambda post: post.gallery)


async def all_jobs(here: Studio) -> list[Job]:
    async with here.database.read() as connection:
        return [job_of(row) for row in (await connection.execute(select_jobs())).mappings()]


async def ended(here: Studio, text: str) -> Job:
    """The job that ended with this text, once nobody needs to be told any more."""
    async with asyncio.timeout(30):
        while True:
            found = [one for one in await all_jobs(here) if one.error == text]
            if found and found[0].delivery is not DeliveryState.PENDING:
                (job,) = found
                return job
            await asyncio.sleep(0.01)


def job_id(card: Post) -> int:
    match = re.fullmatch(r"palimpsest:[a-z]+:(\d+)", card.buttons[0].custom_id)
    assert match is not None
    return int(match[1])


async def told(here: Studio, asked: Interaction) -> str:
    """What the member is told privately; nothing else is left of what they did."""

    def private() -> Post | None:
        mine = [post for post in here.sandbox.posts() if post.interaction_id == asked.record.id]
        alone = len(mine) == 1 and mine[0].ephemeral and not mine[0].loading
        return mine[0] if alone else None

    return (await here.sandbox.until(private, 10, f"{asked} answered privately")).text
