"""The composition root of the bot on Discord: settings in, everything wired, one way to stop."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import aiohttp
import discord

from bot.discord_ui.client import Palimpsest
from bot.discord_ui.compare import Comparer
from bot.discord_ui.delivery import Delivery
from bot.discord_ui.endpoint import point_at
from bot.discord_ui.intake import Intake
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.events import EventBus
from bot.jobs.presets import Presets
from bot.jobs.queue import Queue
from bot.jobs.retention import Retention
from bot.jobs.service import JobService
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker
from bot.settings import Settings, SettingsError
from bot.storage.database import Database
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from bot.storage.line import Line
from bot.storage.outbox import Outbox
from bot.storage.policies import PolicyStore
from bot.storage.presets import PresetStore
from bot.storage.statistics import Statistics
from inference.catalog import Catalog
from inference.executors.process import FAST_ENGINE, STRICT_ENGINE, ProcessExecutor

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0


async def serve(settings: Settings, token: str) -> None:
    """Serves Discord until SIGINT or SIGTERM; running jobs then go back to the queue.

    Raises SettingsError where the token or the database cannot be used.
    """
    point_at(settings.discord_api_url)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database))
        executor = ProcessExecutor(
            model=settings.model,
            models_folder=settings.models,
            device=settings.device,
            engine=STRICT_ENGINE if settings.strict else FAST_ENGINE,
        )
        await executor.start()
        stack.push_async_callback(executor.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        limits = PictureLimits(
            max_bytes=settings.max_source_bytes,
            max_pixels=int(settings.max_source_megapixels * 1e6),
        )
        pictures = await stack.enter_async_context(PictureWorker(limits))

        jobs, outbox = JobStore(database), Outbox(database)
        images = ImageStore(database, settings.pictures)
        catalog = Catalog(settings.models, default=settings.model)
        service = JobService(
            jobs=jobs,
            outbox=outbox,
            queue=Queue(jobs, Line(database)),
            policies=PolicyStore(database),
            images=images,
            catalog=catalog,
            events=EventBus(),
        )
        intake = Intake(session=session, pictures=pictures, images=images, settings=settings)
        client = Palimpsest(
            service=service,
            presets=Presets(PresetStore(database)),
            intake=intake,
            comparer=Comparer(intake=intake, images=images, pictures=pictures),
            catalog=catalog,
            home=settings.palimpsest_home,
            default_model=settings.model,
            max_source_bytes=settings.max_source_bytes,
        )
        if settings.web_port is not None:
            # Only here: whoever does not serve the pages does not pay for them.
            from bot.web.server import OwnerPages

            pages = OwnerPages(
                statistics=Statistics(database),
                images=images,
                engine=executor,
                gateway=lambda: client.latency if client.is_ready() else None,
            )
            port = await stack.enter_async_context(pages.serve(settings.web_port))
            log.info("The owner's pages are at http://127.0.0.1:%d", port)

        delivery = Delivery(
            client=client,
            service=service,
            images=images,
            pictures=pictures,
            onward=client.flows.onward,
        )
        dispatcher = Dispatcher(
            jobs=jobs,
            images=images,
            executor=executor,
            events=service.events,
            max_attempts=settings.max_attempts,
        )
        retention = Retention(
            images=images,
            outbox=outbox,
            max_age=timedelta(days=settings.picture_days),
            max_bytes=settings.picture_megabytes * 1_000_000,
        )

        # Read before the first event: what arrives later is under way by itself.
        unfinished = await service.received()

        async def work() -> None:
            async with client:
                await _login(client, token)
                async with asyncio.TaskGroup() as tasks:
                    # Delivery first, so that it hears what the dispatcher recovers.
                    tasks.create_task(delivery.run())
                    tasks.create_task(dispatcher.run())
                    tasks.create_task(retention.run())
                    tasks.create_task(client.resume_received(unfinished))
                    tasks.create_task(client.connect())

        await _until_stopped(work())


async def _login(client: discord.Client, token: str) -> None:
    """Waits for Discord to be there. Raises SettingsError where it refuses the token."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await client.login(token)
        except discord.LoginFailure as error:
            raise SettingsError("DISCORD_TOKEN is not usable: Discord refuses it.") from error
        except (aiohttp.ClientError, discord.HTTPException, OSError) as error:
            log.warning("Discord cannot be reached (%r); trying again in %g s", error, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` until it ends by itself, or SIGINT or SIGTERM end it."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("Stopping; jobs that run go back to the queue")
