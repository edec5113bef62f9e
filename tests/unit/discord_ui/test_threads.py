"""Threads and forum posts follow the channel that they belong to."""

import discord

from bot.discord_ui.flows import parent_of


def test_only_a_thread_has_a_channel_that_it_belongs_to() -> None:
    thread = discord.Thread.__new__(discord.Thread)
    thread.parent_id = 7
    assert parent_of(thread) == 7
    assert parent_of(discord.TextChannel.__new__(discord.TextChannel)) is None
    assert parent_of(None) is None
