"""Private answers: what a command shows only to who asked."""

from typing import Any

import discord
from discord import ui

MAX_TEXT = 4000  # characters of all texts in one message


def panel(*paragraphs: str) -> ui.LayoutView:
    """A card of text, the paragraphs divided by lines; at most MAX_TEXT characters in all."""
    container: ui.Container[Any] = ui.Container()
    for number, paragraph in enumerate(paragraphs):
        if number:
            container.add_item(ui.Separator())
        container.add_item(ui.TextDisplay(paragraph))
    view = ui.LayoutView(timeout=None)
    view.add_item(container)
    # Nothing in it can be pressed, so discord.py need not remember it.
    view.stop()
    return view


async def reply(interaction: discord.Interaction[Any], view: ui.LayoutView) -> None:
    """Answers a command privately, also when it had to be deferred (privately) before."""
    if interaction.response.is_done():
        await interaction.edit_original_response(view=view)
    else:
        await interaction.response.send_message(view=view, ephemeral=True)
