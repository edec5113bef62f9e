"""The bot as Discord sees it: what arrives from the gateway is handed to whoever handles it."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from bot.clock import utc_now
from bot.discord_ui import forms
from bot.discord_ui.acknowledge import ASKED_AGAIN, passing, placeholder_of
from bot.discord_ui.asking import Asking
from bot.discord_ui.buttons import JobButton
from bot.discord_ui.command_sync import CommandSync
from bot.discord_ui.commands import cancel_command, queue_command
from bot.discord_ui.compare import Comparer, compare_command
from bot.discord_ui.describe import Described, Describer, describe_command, describe_menu
from bot.discord_ui.endpoint import adopt_gateway
from bot.discord_ui.flows import Flows
from bot.discord_ui.help_command import help_command
from bot.discord_ui.intake import Intake
from bot.discord_ui.menus import TOO_OLD, OfferedPictures, reimagine_menu
from bot.discord_ui.modals import submission_of
from bot.discord_ui.offered import Offered
from bot.discord_ui.painting import PaintingCommands
from bot.discord_ui.preset_commands import presets_command
from bot.discord_ui.reactions import Reactions
from bot.discord_ui.reimagine_commands import ReimagineCommands
from bot.discord_ui.settings_command import SettingsGroup
from bot.discord_ui.task_commands import TaskCommands
from bot.discord_ui.translate import answer, told
from bot.discord_ui.two_pictures import TwoPictureCommands
from bot.jobs.presets import Presets
from bot.jobs.service import JobService
from bot.model import Job, OriginKind
from inference.catalog import Catalog

log = logging.getLogger(__name__)

INTENTS = discord.Intents(guilds=True, guild_reactions=True)
"""None of them is privileged."""

RESUMED_AT_ONCE = 8


class Palimpsest(discord.AutoShardedClient):
    """The client. It keeps no messages and no members in memory, and pings nobody.

    home: folder for what is remembered about the commands that were sent to Discord.
    max_source_bytes: largest attachment that is worth fetching.
    """

    def __init__(
        self,
        *,
        service: JobService,
        presets: Presets,
        intake: Intake,
        comparer: Comparer,
        catalog: Catalog,
        home: Path,
        default_model: str,
        max_source_bytes: int,
    ) -> None:
        super().__init__(
            intents=INTENTS,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
        )
        self.flows = Flows(
            service=service,
            presets=presets,
            intake=intake,
            catalog=catalog,
            default_model=default_model,
        )
        self.tree = _Tree(
            self,
            allowed_contexts=app_commands.AppCommandContext(guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True),
        )
        self.comparer = comparer
        self._offered = OfferedPictures(too_old=TOO_OLD)
        self.described: Offered[Described] = Offered(
            too_old="That was too long ago; ask again what made the picture."
        )
        describer = Describer(service=service, intake=intake)
        asking = Asking(
            catalog=catalog,
            presets=presets,
            default_model=default_model,
            max_bytes=max_source_bytes,
        )
        for command in (
            *ReimagineCommands(asking).all(),
            *PaintingCommands(asking, catalog=catalog).all(),
            *TwoPictureCommands(asking, catalog=catalog).all(),
            *TaskCommands(asking, catalog=catalog).all(),
        ):
            self.tree.add_command(command)
        self.tree.add_command(help_command())
        self.tree.add_command(queue_command(service))
        self.tree.add_command(cancel_command(service))
        self.tree.add_command(presets_command(presets))
        self.tree.add_command(SettingsGroup(service, presets))
        self.tree.add_command(reimagine_menu(self._offered))
        self.tree.add_command(compare_command())
        self.tree.add_command(describe_command(describer, self.described))
        self.tree.add_command(describe_menu(describer, self.described))
        self._reactions = Reactions(client=self, service=service, flows=self.flows)
        self._sync = CommandSync(self, self.tree, home / "commands.json")
        self._service = service
        self._logged_in = asyncio.Event()

    async def setup_hook(self) -> None:
        """After login, before the gateway. Raises discord.HTTPException."""
        self.add_dynamic_items(JobButton)
        await adopt_gateway(self)
        await self._sync.run()
        self._logged_in.set()

    async def close(self) -> None:
        """Ends what is underway for members, then the connection."""
        await self.flows.underway.stop()
        await super().close()

    async def on_ready(self) -> None:
        """Says so in the log."""
        log.info("Ready as %s on %d servers", self.user, len(self.guilds))

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Forms; commands and buttons find their own way."""
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        submission = submission_of(interaction)
        if submission is not None:
            doing = f"form {submission.form}:{submission.id}"
            async with told(interaction, doing=doing, typed=submission.values.get("prompt", "")):
                await forms.send(interaction, submission, flows=self.flows, offered=self._offered)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        """Dice."""
        await self._reactions.added(payload)

    async def resume_received(self, jobs: Iterable[Job]) -> None:
        """Goes on with jobs that a former run of the bot had only recorded; waits for the login.

        Pass what was RECEIVED before this client was started: what it receives itself is
        already under way. What cannot be done any more is FAILED and told by Delivery.
        """
        await self._logged_in.wait()
        places = asyncio.Semaphore(RESUMED_AT_ONCE)

        async def resume(job: Job) -> None:
            while True:
                async with places:
                    if await self._resume(job):
                        return
                await asyncio.sleep(ASKED_AGAIN)

        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(resume(job))

    async def _resume(self, job: Job) -> bool:
        """False where Discord or the database must be tried again."""
        try:
            if job.origin.kind is OriginKind.REACTION:
                refusal = await self._reactions.carry_on(job, resumed=True)
            elif await self._is_expected(job):
                refusal = await self.flows.submit(job)
            else:
                self.flows.abandon(job, "It was never acknowledged.")
                return True
            if refusal is not None:
                await self.flows.settle(job, told=False)
        except Exception as error:
            if passing(error):
                log.warning("Job %s cannot be resumed yet: %r", job.id, error)
                return False
            # Whatever it is, it must not end the bot: at the next start it would be there again.
            log.exception("Job %s cannot be resumed", job.id)
            self.flows.abandon(job, "It could not be gone on with.")
        return True

    async def _is_expected(self, job: Job) -> bool:
        """Whether the former run came to acknowledge the job; True where nobody can know.

        Raises discord.HTTPException, aiohttp.ClientError or OSError while Discord cannot be asked.
        """
        expires = job.origin.token_expires_at
        expired = expires is None or expires <= utc_now()
        if job.message_id is not None or expired or job.origin.interaction_token is None:
            return True
        try:
            message_id = await placeholder_of(self, job)
        except discord.HTTPException as error:
            if passing(error):
                raise
            log.info("Whether job %s was acknowledged is not known: %s", job.id, error)
            return True
        if message_id is not None:
            await self._service.set_message(job.id, message_id)
        return message_id is not None


class _Tree(app_commands.CommandTree[Palimpsest]):
    """Errors of commands and menus go to the one translator."""

    async def on_error(
        self, interaction: discord.Interaction[Palimpsest], error: app_commands.AppCommandError, /
    ) -> None:
        name = interaction.command.qualified_name if interaction.command else "?"
        await answer(interaction, error, doing=f"command {name}")
