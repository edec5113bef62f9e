"""The typed options of the slash commands and what Discord offers while a member types."""

from collections.abc import Iterable, Sequence

from discord import app_commands

from bot.model import Job
from inference.loras import MAX_NAME, split_weight
from inference.model_info import ModelInfo
from inference.presets import MAX_NAME as MAX_PRESET_NAME
from inference.presets import Preset
from inference.request import (
    MAX_COUNT,
    MAX_GUIDANCE,
    MAX_PROMPT,
    MAX_SEED,
    MAX_STEPS,
    STRENGTH_BANDS,
)

MAX_CHOICES = 25
MAX_CHOICE = 100  # characters of a choice's name, and of a text value

PromptOption = app_commands.Range[str, 1, MAX_PROMPT]
NegativePromptOption = app_commands.Range[str, 0, MAX_PROMPT]
StrengthOption = app_commands.Range[float, 0.0, 1.0]
StepsOption = app_commands.Range[int, 1, MAX_STEPS]
GuidanceOption = app_commands.Range[float, 0.0, MAX_GUIDANCE]
SeedOption = app_commands.Range[int, 0, MAX_SEED]
LoraOption = app_commands.Range[str, 1, MAX_NAME + 20]
ModelOption = app_commands.Range[str, 1, MAX_CHOICE]
PresetOption = app_commands.Range[str, 1, MAX_PRESET_NAME]
CountOption = app_commands.Range[int, 1, MAX_COUNT]

SHAPES = {
    "square": (1, 1),
    "landscape 3:2": (3, 2),
    "portrait 2:3": (2, 3),
    "wide 16:9": (16, 9),
    "tall 9:16": (9, 16),
}
"""Width to height of a picture that has no source to take its shape from."""
SHAPE_CHOICES = [app_commands.Choice(name=name, value=name) for name in SHAPES]


def strength_choices(typed: str) -> list[app_commands.Choice[float]]:
    """The named bands whose name or number begins with what was typed.

    Any number from 0 to 1 can be sent without choosing; one that was typed is offered as it is.
    """
    typed = typed.strip().lower()
    bands = [
        app_commands.Choice(name=f"{name} ({value:g})", value=value)
        for name, value in STRENGTH_BANDS.items()
        if name.startswith(typed) or f"{value:g}".startswith(typed)
    ]
    try:
        value = float(typed.replace(",", "."))
    except ValueError:
        return bands
    if not 0 <= value <= 1 or value in STRENGTH_BANDS.values():
        return bands
    return [app_commands.Choice(name=f"{value:g}", value=value), *bands]


def model_choices(models: Sequence[ModelInfo], typed: str) -> list[app_commands.Choice[str]]:
    """The catalogue's models that contain what was typed in their title or id."""
    typed = typed.strip().lower()
    return [
        app_commands.Choice(name=model.title[:MAX_CHOICE], value=model.id)
        for model in models
        if typed in f"{model.title} {model.id}".lower() and len(model.id) <= MAX_CHOICE
    ][:MAX_CHOICES]


def lora_choices(names: Iterable[str], typed: str) -> list[app_commands.Choice[str]]:
    """The LoRAs whose name contains what was typed, with the weight that was typed behind it."""
    wanted, _ = split_weight(typed)
    weight = typed.strip().removeprefix(wanted)
    return [
        app_commands.Choice(name=f"{name}{weight}", value=f"{name}{weight}")
        for name in names
        if wanted.lower() in name.lower() and len(name) + len(weight) <= MAX_CHOICE
    ][:MAX_CHOICES]


def preset_choices(presets: Sequence[Preset], typed: str) -> list[app_commands.Choice[str]]:
    """The presets whose name contains what was typed."""
    typed = typed.strip().lower()
    return [
        app_commands.Choice(name=preset.name, value=preset.name)
        for preset in presets
        if typed in preset.name
    ][:MAX_CHOICES]


def job_choices(jobs: Iterable[Job], user_id: int, typed: str) -> list[app_commands.Choice[int]]:
    """The member's own jobs among those that wait or run, as “#12 · prompt”."""
    typed = typed.strip().lower()
    own = [job for job in jobs if job.origin.user_id == user_id]
    return [
        app_commands.Choice(name=name, value=job.id)
        for job in own
        if typed in (name := f"#{job.id} · {job.recipe.prompt}"[:MAX_CHOICE]).lower()
    ][:MAX_CHOICES]
