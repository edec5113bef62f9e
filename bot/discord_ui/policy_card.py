"""A guild's policy: how it is changed as a whole, and how it is shown."""

from dataclasses import replace
from typing import Any

from discord import ui

from bot.discord_ui.replies import panel
from bot.errors import Refused
from bot.model import GuildPolicy

MAX_CHANNELS = 100


def changed(
    policy: GuildPolicy,
    *,
    allow_channel: int | None = None,
    remove_channel: int | None = None,
    everywhere: bool = False,
    **values: Any,
) -> GuildPolicy:
    """The policy with what is named changed; a value of None leaves a field as it is.

    everywhere empties the list of channels first. Raises Refused for a channel that is not in
    the list or has no room in it; whether the fields fit together is for the service to say.
    """
    channels = () if everywhere else policy.channels
    if remove_channel is not None:
        if remove_channel not in channels:
            raise Refused(f"<#{remove_channel}> is not in the list of allowed channels.")
        channels = tuple(channel for channel in channels if channel != remove_channel)
    if allow_channel is not None and allow_channel not in channels:
        if len(channels) >= MAX_CHANNELS:
            raise Refused(f"At most {MAX_CHANNELS} channels can be in the list; remove one first.")
        channels = (*channels, allow_channel)
    given = {name: value for name, value in values.items() if value is not None}
    return replace(policy, channels=channels, **given)


def policy_card(policy: GuildPolicy) -> ui.LayoutView:
    """The whole policy as a card."""
    channels = " ".join(f"<#{channel}>" for channel in policy.channels) or "everywhere"
    who = "everybody" if policy.open_buttons else "the member who asked, and moderators to delete"
    told = "say what made them" if policy.parameters else "do not say what made them"
    return panel(
        "### Palimpsest on this server",
        f"**Strength** {policy.min_strength:g} to {policy.max_strength:g}, "
        f"default {policy.default_strength:g}\n"
        f"**Steps** up to {policy.max_steps}, default {policy.default_steps}\n"
        f"**Pictures in a job** up to {policy.max_count}, default {policy.default_count}",
        f"**Budget** in {policy.window_minutes} minutes: {policy.member_budget:g} for a member, "
        f"{policy.guild_budget:g} for the server\n"
        f"**Waiting or running at once** {policy.member_queue} for a member, "
        f"{policy.guild_queue} for the server\n"
        "-# A job costs about pictures × steps × megapixels, twice that with guidance above 1.",
        f"**Channels** {channels}\n**Buttons under a card work for** {who}\n"
        f"**The files of pictures** {told}",
        "-# Name options of /palimpsest settings to change them.",
    )
