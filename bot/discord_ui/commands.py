"""The slash commands about jobs: /queue and /cancel."""

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.acknowledge import in_time
from bot.discord_ui.flows import guild_of
from bot.discord_ui.queue_card import MAX_LINES, queue_card
from bot.discord_ui.replies import panel, reply
from bot.jobs.service import JobService

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

Interaction = discord.Interaction[Any]


def queue_command(service: JobService) -> app_commands.Command[Any, ..., None]:
    """/queue"""

    @app_commands.command(name="queue", description="What is being painted here, and what waits")
    async def queue(interaction: Interaction) -> None:
        view = await in_time(interaction, _queue(service, interaction), ephemeral=True)
        await reply(interaction, view)

    return queue


def cancel_command(service: JobService) -> app_commands.Command[Any, ..., None]:
    """/cancel"""

    @app_commands.command(name="cancel", description="Cancel one of your jobs that is not done")
    @app_commands.describe(job="Which one")
    async def cancel(
        interaction: "discord.Interaction[Palimpsest]", job: app_commands.Range[int, 1]
    ) -> None:
        flows = interaction.client.flows
        await in_time(interaction, flows.cancel(interaction, job), ephemeral=True)
        await reply(interaction, panel(f"Job #{job} is cancelled."))

    @cancel.autocomplete("job")
    async def jobs(interaction: Interaction, typed: str | int) -> list[app_commands.Choice[int]]:
        if interaction.guild_id is None:
            return []
        waiting = await service.waiting(interaction.guild_id)
        return options.job_choices(waiting, interaction.user.id, str(typed))

    return cancel


async def _queue(service: JobService, interaction: Interaction) -> discord.ui.LayoutView:
    guild_id, user_id = guild_of(interaction), interaction.user.id
    jobs = await service.waiting(guild_id)
    shown = [(job, await service.place(job.id)) for job in jobs[:MAX_LINES]]
    return queue_card(
        shown,
        more=len(jobs) - len(shown),
        usage=await service.preview_usage(guild_id, user_id),
        user_id=user_id,
        channel_id=interaction.channel_id,
    )
