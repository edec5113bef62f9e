"""/presets for everybody, and /palimpsest save_preset and remove_preset for managers."""

from typing import Any

import discord
from discord import app_commands, ui

from bot.discord_ui import options
from bot.discord_ui.acknowledge import in_time
from bot.discord_ui.flows import guild_of
from bot.discord_ui.replies import MAX_TEXT, panel, reply
from bot.discord_ui.wording import escaped
from bot.jobs.presets import Presets
from inference.presets import MAX_NAME, MAX_WORDS, Preset

WordsOption = app_commands.Range[str, 0, MAX_WORDS]
MAX_SHOWN = 120  # characters of a preset's words in the list

_Interaction = discord.Interaction[Any]
_Command = app_commands.Command[Any, ..., None]


def presets_command(presets: Presets) -> _Command:
    """/presets"""

    @app_commands.command(name="presets", description="Lists the presets of this server")
    async def show(interaction: _Interaction) -> None:
        known = await in_time(interaction, presets.all(guild_of(interaction)), ephemeral=True)
        await reply(interaction, _list(known))

    return show


def save_preset_command(presets: Presets) -> _Command:
    """/palimpsest save_preset"""

    @app_commands.command(name="save_preset", description="Adds or replaces a preset")
    @app_commands.describe(
        name="What members choose",
        prefix="Words before the prompt, as in “oil painting of”",
        suffix="Words after the prompt",
        negative_prompt="What the picture does not show",
        strength="Strength when a member gives none",
        guidance="Guidance when a member gives none",
    )
    @app_commands.checks.has_permissions(manage_guild=True)
    async def save(  # noqa: PLR0917  (Discord's options are parameters)
        interaction: _Interaction,
        name: options.PresetOption,
        prefix: WordsOption = "",
        suffix: WordsOption = "",
        negative_prompt: WordsOption = "",
        strength: options.StrengthOption | None = None,
        guidance: options.GuidanceOption | None = None,
    ) -> None:
        preset = Preset(
            name=name,
            prefix=prefix,
            suffix=suffix,
            negative_prompt=negative_prompt,
            strength=strength,
            guidance=guidance,
        )
        saving = presets.save(guild_of(interaction), preset)
        saved = await in_time(interaction, saving, ephemeral=True)
        await reply(interaction, panel(f"### Saved\n{_line(saved)}"))

    return save


def remove_preset_command(presets: Presets) -> _Command:
    """/palimpsest remove_preset"""

    @app_commands.command(name="remove_preset", description="Removes a preset of this server")
    @app_commands.describe(name="Which one")
    @app_commands.checks.has_permissions(manage_guild=True)
    async def remove(interaction: _Interaction, name: options.PresetOption) -> None:
        await in_time(interaction, presets.remove(guild_of(interaction), name), ephemeral=True)
        await reply(interaction, panel(f"The preset {escaped(name, MAX_NAME)} is removed."))

    offer_presets(remove, presets, option="name")
    return remove


def offer_presets(command: _Command, presets: Presets, *, option: str = "preset") -> None:
    """Offers the guild's presets while a member types into an option."""

    @command.autocomplete(option)
    async def names(interaction: _Interaction, typed: str) -> list[app_commands.Choice[str]]:
        if interaction.guild_id is None:
            return []
        return options.preset_choices(await presets.all(interaction.guild_id), typed)


def _list(presets: list[Preset]) -> ui.LayoutView:
    """As many as fit into one message."""
    heading = "### Presets\nGive one as the option preset; what you type yourself goes first."
    shown, room = [heading], MAX_TEXT - len(heading) - 40
    for number, preset in enumerate(presets):
        line = _line(preset)
        if len(line) + 1 > room:
            shown.append(f"-# and {len(presets) - number} more")
            break
        shown.append(line)
        room -= len(line) + 1
    return panel("\n".join(shown))


def _line(preset: Preset) -> str:
    words = " … ".join(part for part in (preset.prefix, preset.suffix) if part)
    numbers = [
        f"{name} {value:g}"
        for name, value in (("strength", preset.strength), ("guidance", preset.guidance))
        if value is not None
    ]
    parts = [f"**{escaped(preset.name, MAX_NAME)}**", escaped(words, MAX_SHOWN), *numbers]
    return " · ".join(part for part in parts if part)
