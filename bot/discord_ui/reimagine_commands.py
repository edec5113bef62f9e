"""The slash commands /reimagine and /variations."""

from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.asking import USUAL, Asking, Command, described, loras_of, offer_strengths
from bot.discord_ui.wish import Wish
from inference.options import LOOPS, SPREADS, Loopback, Variations

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

LoopsOption = app_commands.Range[int, *LOOPS]

USUAL_SPREAD = SPREADS[1]
_SPREAD_CHOICES = [
    app_commands.Choice(name=f"{spread * 100:g} %", value=spread) for spread in SPREADS
]


class ReimagineCommands:
    """Makes the commands."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def all(self) -> list[Command]:
        """In the order in which they are listed."""
        return [self._reimagine(), self._variations()]

    def _reimagine(self) -> Command:
        @app_commands.command(name="reimagine", description="Paint a new picture over yours")
        @described(
            "image",
            "prompt",
            "strength",
            "count",
            *USUAL,
            loops="How often the result is painted over again, with less strength each time",
            match_colours="Whether the result keeps your picture's mean colours",
        )
        async def reimagine(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.PromptOption,
            strength: options.StrengthOption | None = None,
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            guidance: options.GuidanceOption | None = None,
            seed: options.SeedOption | None = None,
            count: options.CountOption | None = None,
            model: options.ModelOption | None = None,
            lora: options.LoraOption | None = None,
            preset: options.PresetOption | None = None,
            loops: LoopsOption | None = None,
            match_colours: bool = False,
        ) -> None:
            wish = Wish(
                task="img2img" if loops is None else "loopback",
                options=None if loops is None else Loopback(times=loops),
                match_colours=match_colours,
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

        offer_strengths(reimagine)
        return self._asking.offering(reimagine)

    def _variations(self) -> Command:
        @app_commands.command(
            name="variations", description="Pictures near one another, over one of yours"
        )
        @app_commands.choices(spread=_SPREAD_CHOICES)
        @described(
            "image",
            "prompt",
            "strength",
            "count",
            *USUAL,
            spread="How far they are from the picture of the seed",
        )
        async def variations(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.PromptOption,
            spread: float = USUAL_SPREAD,
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
                task="variations",
                options=Variations(spread=spread),
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

        offer_strengths(variations)
        return self._asking.offering(variations)
