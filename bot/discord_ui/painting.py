"""The slash commands that paint: /sketch, /ladder, /colorize and /imagine."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.asking import USUAL, Asking, Command, described, loras_of, offer_strengths
from bot.discord_ui.wish import Wish
from inference.catalog import Catalog

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest


class PaintingCommands:
    """Makes the commands."""

    def __init__(self, asking: Asking, *, catalog: Catalog) -> None:
        self._asking = asking
        self._catalog = catalog

    def all(self) -> list[Command]:
        """In the order in which they are listed."""
        return [
            self._sketch(),
            self._ladder(),
            self._colorize(),
            self._imagine(),
        ]

    def _sketch(self) -> Command:
        @app_commands.command(name="sketch", description="Paint over a drawing, or a photo of one")
        @described(
            "image",
            "strength",
            "count",
            *USUAL,
            prompt="What the new picture shows; without a word, what the lines show",
        )
        async def sketch(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
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
                task="sketch",
                prompt=prompt,
                negative_prompt=negative_prompt,
                strength=strength,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
                loras=loras_of(lora),
            )
            if model is None:
                steered = preset is not None or wish != Wish(task="sketch", prompt="")
                wish, model = await self._made_for(wish, steered=steered)
            await self._asking.paint(interaction, wish, image, model, preset)

        offer_strengths(sketch)
        return self._asking.offering(sketch)

    async def _made_for(self, wish: Wish, *, steered: bool = False) -> tuple[Wish, str | None]:
        """The model that was made for the task, or None. It has one answer, so once is enough."""
        made = await asyncio.to_thread(self._catalog.made_for, wish.task, steered=steered)
        return (wish if made is None else replace(wish, count=1)), made

    def _ladder(self) -> Command:
        @app_commands.command(name="ladder", description="One seed at six strengths to choose from")
        @described("image", "prompt", *USUAL)
        async def ladder(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.PromptOption,
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            guidance: options.GuidanceOption | None = None,
            seed: options.SeedOption | None = None,
            model: options.ModelOption | None = None,
            lora: options.LoraOption | None = None,
            preset: options.PresetOption | None = None,
        ) -> None:
            wish = Wish(
                prompt=prompt,
                negative_prompt=negative_prompt,
                steps=steps,
                guidance=guidance,
                seed=seed,
                loras=loras_of(lora),
                ladder=True,
            )
            await self._asking.paint(interaction, wish, image, model, preset)

        return self._asking.offering(ladder)

    def _colorize(self) -> Command:
        @app_commands.command(
            name="colorize", description="Colour a grey, tinted or faded picture; its light stays"
        )
        @described("image", "prompt", "seed", "model")
        async def colorize(
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.NegativePromptOption = "",
            seed: options.SeedOption | None = None,
            model: options.ModelOption | None = None,
        ) -> None:
            wish = Wish(task="colorize", prompt=prompt, seed=seed)
            if model is None:
                wish, model = await self._made_for(wish)
            await self._asking.paint(interaction, wish, image, model)

        self._asking.offer_models(colorize)
        return colorize

    def _imagine(self) -> Command:
        @app_commands.command(name="imagine", description="Paint a picture from a prompt alone")
        @app_commands.choices(size=options.SHAPE_CHOICES)
        @described("prompt", "size", "count", *USUAL)
        async def imagine(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            prompt: options.PromptOption,
            size: str = "square",
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
                prompt=prompt,
                negative_prompt=negative_prompt,
                strength=1,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
                shape=options.SHAPES[size],
                loras=loras_of(lora),
            )
            await self._asking.paint(interaction, wish, None, model, preset)

        return self._asking.offering(imagine)
