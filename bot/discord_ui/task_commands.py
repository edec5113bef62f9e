"""The slash commands of tasks with options of their own: /edit, /outpaint, /upscale, /denoise."""

import asyncio
from operator import attrgetter
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.asking import (
    USUAL,
    Asking,
    Command,
    Interaction,
    described,
    loras_of,
)
from bot.discord_ui.wish import Wish, parse_amount
from inference.catalog import Catalog
from inference.options import (
    FACTORS,
    MOST_IMAGE_GUIDANCE,
    Denoise,
    Edit,
    Outpaint,
    Upscale,
)

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

GrowthOption = app_commands.Range[int, 10, 100]
CreativityOption = app_commands.Range[float, 0.0, 1.0]
ImageGuidanceOption = app_commands.Range[float, 1.0, MOST_IMAGE_GUIDANCE]
AmountOption = app_commands.Range[str, 1, 20]

DIRECTIONS = {
    "left": ("left",),
    "right": ("right",),
    "up": ("top",),
    "down": ("bottom",),
    "sideways": ("left", "right"),
    "all": ("left", "top", "right", "bottom"),
}
"""Which sides of a picture grow."""

AMOUNTS = ("auto", "10", "25", "50")
"""Of noise, as they are offered."""

_DIRECTION_CHOICES = [app_commands.Choice(name=name, value=name) for name in DIRECTIONS]
_FACTOR_CHOICES = [app_commands.Choice(name=f"{factor}×", value=factor) for factor in FACTORS]

_EDIT, _UPSCALE = Edit(), Upscale()
"""Whose values are those of options that are left out."""


class TaskCommands:
    """Makes the commands."""

    def __init__(self, asking: Asking, *, catalog: Catalog) -> None:
        self._asking = asking
        self._catalog = catalog

    def all(self) -> list[Command]:
        """In the order in which they are listed."""
        return [
            self._edit(),
            self._outpaint(),
            self._upscale(),
            self._denoise(),
        ]

    def _edit(self) -> Command:
        @app_commands.command(name="edit", description="Change a picture as you say")
        @described(
            "negative_prompt",
            "steps",
            "seed",
            "count",
            "model",
            image="The picture to change",
            instruction="What is to be done, as in: make it night",
            image_guidance="How closely your picture is kept; 1 is not at all, 1.5 is usual",
            guidance="How closely the instruction is followed",
        )
        async def edit(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            instruction: options.PromptOption,
            image_guidance: ImageGuidanceOption = _EDIT.image_guidance,
            guidance: options.GuidanceOption | None = None,
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            seed: options.SeedOption | None = None,
            count: options.CountOption | None = None,
            model: options.ModelOption | None = None,
        ) -> None:
            wish = Wish(
                task="edit",
                options=Edit(image_guidance=image_guidance),
                prompt=instruction,
                negative_prompt=negative_prompt,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
            )
            model = model or await asyncio.to_thread(self._catalog.editor)
            await self._asking.paint(interaction, wish, image, model)

        self._asking.offer_models(edit, attrgetter("follows_instructions"))
        return edit

    def _outpaint(self) -> Command:
        @app_commands.command(
            name="outpaint", description="Paint on beyond the edges; your picture stays as it is"
        )
        @app_commands.choices(direction=_DIRECTION_CHOICES)
        @described(
            "strength",
            "count",
            *USUAL,
            image="The picture to make larger",
            direction="Which sides grow",
            amount="How far each of them grows, in per cent of the picture's side; usually 25",
            prompt="What the whole new picture shows",
        )
        async def outpaint(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            direction: str,
            amount: GrowthOption = 25,
            prompt: options.NegativePromptOption = "",
            strength: options.StrengthOption | None = None,
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            guidance: options.GuidanceOption | None = None,
            seed: options.SeedOption | None = None,
            count: options.CountOption | None = None,
            model: options.ModelOption | None = None,
            lora: options.LoraOption | None = None,
            preset: options.PresetOption | None = None,
        ) -> None:
            wish = Wish(
                task="outpaint",
                options=Outpaint(**dict.fromkeys(DIRECTIONS[direction], amount / 100)),
                prompt=prompt,
                negative_prompt=negative_prompt,
                strength=strength,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
                loras=loras_of(lora),
            )
            await self._asking.paint(interaction, wish, image, model, preset)

        return self._asking.offering(outpaint)

    def _upscale(self) -> Command:
        @app_commands.command(name="upscale", description="Make a picture larger and sharper")
        @app_commands.choices(factor=_FACTOR_CHOICES)
        @described(
            "seed",
            "model",
            image="The picture to make larger",
            factor="How many times as wide and as high",
            creativity="How much detail of its own the model may add: 0 is none, and quick",
            prompt="What the picture shows, for a model that adds detail",
        )
        async def upscale(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            factor: int = _UPSCALE.factor,
            creativity: CreativityOption = _UPSCALE.creativity,
            prompt: options.NegativePromptOption = "",
            seed: options.SeedOption | None = None,
            model: options.ModelOption | None = None,
        ) -> None:
            wish = Wish(
                task="upscale",
                options=Upscale(factor=factor, creativity=creativity),
                prompt=prompt,
                seed=seed,
                count=1,
            )
            await self._asking.paint(interaction, wish, image, model)

        self._asking.offer_models(upscale)
        return upscale

    def _denoise(self) -> Command:
        @app_commands.command(name="denoise", description="Take the noise out of a picture")
        @described(
            image="The picture to clean",
            amount="How strong the noise is, of 255, as in 25; auto finds out",
        )
        async def denoise(
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            amount: AmountOption = "auto",
        ) -> None:
            wish = Wish(
                task="denoise", options=Denoise(sigma=parse_amount(amount)), prompt="", count=1
            )
            await self._asking.paint(interaction, wish, image, None)

        @denoise.autocomplete("amount")
        async def amounts(_interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
            typed = typed.strip().lower()
            return [
                app_commands.Choice(name=amount, value=amount)
                for amount in AMOUNTS
                if amount.startswith(typed)
            ]

        return denoise
