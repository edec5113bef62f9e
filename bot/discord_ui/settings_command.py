"""/palimpsest settings: a guild's policy, shown and changed by members with Manage Server."""

from typing import Any

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.acknowledge import in_time
from bot.discord_ui.flows import guild_of
from bot.discord_ui.policy_card import changed, policy_card
from bot.discord_ui.preset_commands import remove_preset_command, save_preset_command
from bot.discord_ui.replies import reply
from bot.jobs.policy import MAX_WINDOW_MINUTES
from bot.jobs.presets import Presets
from bot.jobs.service import JobService
from bot.model import GuildPolicy

BudgetOption = app_commands.Range[float, 1.0, 1_000_000.0]
MinutesOption = app_commands.Range[int, 1, MAX_WINDOW_MINUTES]
WaitingOption = app_commands.Range[int, 1, 1000]
# Threads are not listed: they follow their channel.
Channel = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel


class SettingsGroup(app_commands.Group):
    """The group /palimpsest, seen by members with Manage Server."""

    def __init__(self, service: JobService, presets: Presets) -> None:
        super().__init__(
            name="palimpsest",
            description="How Palimpsest behaves on this server",
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._service = service
        self.add_command(save_preset_command(presets))
        self.add_command(remove_preset_command(presets))

    # Discord lets admins open the command to others; changing a policy needs Manage Server.
    @app_commands.checks.has_permissions(manage_guild=True)
    @app_commands.command(description="Shows this server's settings; changes those you name")
    @app_commands.describe(
        member_budget="Cost that one member may use within the window",
        guild_budget="Cost that the whole server may use within the window",
        window_minutes="Length of the moving window, in minutes",
        member_queue="Jobs of one member that may wait or run at once",
        guild_queue="Jobs of the whole server that may wait or run at once",
        min_strength="Least strength allowed",
        max_strength="Most strength allowed",
        default_strength="Strength when none is given",
        max_steps="Most steps allowed",
        default_steps="Steps when none are given",
        max_count="Most pictures in one job",
        default_count="Pictures when no number is given",
        open_buttons="Whether everybody may press the buttons under a card, not only its owner",
        parameters="Whether a picture's file says what made it, as other programs read it",
        allow_channel="Add a channel to those where the bot may be used",
        remove_channel="Take a channel from that list; an empty list means everywhere",
        everywhere="Empty that list first: the bot may be used in all channels",
    )
    async def settings(  # noqa: PLR0917  (Discord's options are parameters)
        self,
        interaction: discord.Interaction[Any],
        member_budget: BudgetOption | None = None,
        guild_budget: BudgetOption | None = None,
        window_minutes: MinutesOption | None = None,
        member_queue: WaitingOption | None = None,
        guild_queue: WaitingOption | None = None,
        min_strength: options.StrengthOption | None = None,
        max_strength: options.StrengthOption | None = None,
        default_strength: options.StrengthOption | None = None,
        max_steps: options.StepsOption | None = None,
        default_steps: options.StepsOption | None = None,
        max_count: options.CountOption | None = None,
        default_count: options.CountOption | None = None,
        open_buttons: bool | None = None,
        parameters: bool | None = None,
        allow_channel: Channel | None = None,
        remove_channel: Channel | None = None,
        everywhere: bool = False,
    ) -> None:
        """Shows the policy, after changing what was named."""

        async def change() -> GuildPolicy:
            old = await self._service.policy(guild_of(interaction))
            new = changed(
                old,
                allow_channel=allow_channel.id if allow_channel else None,
                remove_channel=remove_channel.id if remove_channel else None,
                everywhere=everywhere,
                member_budget=member_budget,
                guild_budget=guild_budget,
                window_minutes=window_minutes,
                member_queue=member_queue,
                guild_queue=guild_queue,
                min_strength=min_strength,
                max_strength=max_strength,
                default_strength=default_strength,
                max_steps=max_steps,
                default_steps=default_steps,
                max_count=max_count,
                default_count=default_count,
                open_buttons=open_buttons,
                parameters=parameters,
            )
            if new != old:
                await self._service.set_policy(new)
            return new

        policy = await in_time(interaction, change(), ephemeral=True)
        await reply(interaction, policy_card(policy))
