"""/help: what each command does, with an example."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.discord_ui.replies import panel, reply

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

EXAMPLES: Mapping[str, str] = {
    "reimagine": "image: cat.jpg prompt: an oil painting of a cat strength: 0.6",
    "variations": "image: cat.jpg prompt: an oil painting of a cat spread: 10 %",
    "sketch": "image: house.jpg prompt: a watercolor of a house by the sea",
    "ladder": "image: cat.jpg prompt: a neon cat",
    "colorize": "image: grandmother.jpg",
    "imagine": "prompt: a lighthouse at dawn size: wide 16:9",
    "edit": "image: street.jpg instruction: make it night",
    "inpaint": "image: room.jpg prompt: a red armchair mask: mask.png",
    "outpaint": "image: hills.jpg direction: sideways amount: 50",
    "blend": "image: cat.jpg other: owl.jpg balance: 0.4",
    "style": "image: cat.jpg style: stained-glass.jpg",
    "upscale": "image: cat.jpg factor: 4×",
    "denoise": "image: night.jpg",
    "compare": "before: cat.jpg after: painted.png",
    "describe": "image: found.png",
    "presets": "",
    "queue": "",
    "cancel": "job: 12",
}
"""What may follow each command; in the order in which they are shown."""

_Command = app_commands.Command[Any, ..., None]


def help_command() -> _Command:
    """/help"""

    @app_commands.command(name="help", description="What there is, with an example of each")
    async def show(interaction: "discord.Interaction[Palimpsest]") -> None:
        tree = interaction.client.tree
        known = [one for one in tree.get_commands() if isinstance(one, app_commands.Command)]
        await reply(interaction, panel(help_text(known)))

    return show


def help_text(commands: Iterable[_Command]) -> str:
    """A line for each of these that has an example, and the example under it."""
    descriptions = {command.name: command.description for command in commands}
    lines = [
        "### What I do\nUnder every result are buttons to go on: again, less, more, edit, paint "
        "over, enlarge. A 🎲 under anybody's picture makes one of your own."
    ]
    for name, example in EXAMPLES.items():
        if name in descriptions:
            lines.append(f"**/{name}** · {descriptions[name]}")
            if example:
                lines.append(f"-# `/{name} {example}`")
    return "\n".join(lines)
