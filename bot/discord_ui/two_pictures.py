"""The slash commands whose task takes a second picture: /inpaint, /blend and /style."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.asking import USUAL, Asking, Command, described, loras_of, offer_strengths
from bot.discord_ui.wish import Wish
from bot.errors import UserError
from inference.catalog import Catalog
from inference.model_info import ModelInfo
from inference.options import MOST_BLUR, MOST_PADDING, Blend, Inpaint, Style

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

BlurOption = app_commands.Range[int, 0, MOST_BLUR]
PaddingOption = app_commands.Range[int, 0, MOST_PADDING]
ShareOption = app_commands.Range[float, 0.0, 1.0]

AREAS = {"whole picture": "whole", "masked part at full resolution": "masked"}
CONTENTS = {"what is there": "original", "its surroundings": "fill", "noise": "noise"}
KEPT = {"style": "style", "composition": "composition", "style and composition": "both"}
"""What is offered for an option, by what members read."""

_INPAINT, _BLEND, _STYLE = Inpaint(), Blend(), Style()
"""Whose values are those of options that are left out."""


class TwoPictureCommands:
    """Makes the commands."""

    def __init__(self, asking: Asking, *, catalog: Catalog) -> None:
        self._asking = asking
        self._catalog = catalog

    def all(self) -> list[Command]:
        """In the order in which they are listed."""
        return [self._inpaint(), self._blend(), self._style()]

    def _inpaint(self) -> Command:
        @app_commands.command(name="inpaint", description="Paint a part of a picture anew")
        @app_commands.choices(area=_choices(AREAS), content=_choices(CONTENTS))
        @described(
            "image",
            "prompt",
            "strength",
            "count",
            *USUAL,
            mask="White where to paint; without it, the transparent parts of your picture",
            area="What the model sees: all, or only the mask and its surroundings, larger",
            content="What lies under the mask before it is painted over",
            blur="How soft the edge of the mask is, in pixels",
            padding="How many pixels around the mask are seen with area: masked part",
            invert="Whether everything but the mask is painted",
        )
        async def inpaint(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.PromptOption,
            mask: discord.Attachment | None = None,
            strength: options.StrengthOption | None = None,
            area: str = _INPAINT.area,
            content: str = _INPAINT.content,
            blur: BlurOption = _INPAINT.blur,
            padding: PaddingOption | None = None,
            invert: bool = _INPAINT.invert,
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            guidance: options.GuidanceOption | None = None,
            seed: options.SeedOption | None = None,
            count: options.CountOption | None = None,
            model: options.ModelOption | None = None,
            lora: options.LoraOption | None = None,
            preset: options.PresetOption | None = None,
        ) -> None:
            if padding is not None and area != "masked":
                raise UserError(
                    "Padding is what is seen around the mask, and the whole picture is seen; "
                    "choose the masked part as area, or leave padding out."
                )
            asked = Inpaint(
                blur=blur,
                padding=_INPAINT.padding if padding is None else padding,
                invert=invert,
                area=area,
                content=content,
            )
            wish = Wish(
                task="inpaint",
                options=asked,
                prompt=prompt,
                negative_prompt=negative_prompt,
                strength=strength,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
                loras=loras_of(lora),
            )
            await self._asking.paint(interaction, wish, image, model, preset, second=mask)

        offer_strengths(inpaint)
        return self._asking.offering(inpaint)

    def _blend(self) -> Command:
        @app_commands.command(name="blend", description="Make one picture of two")
        @described(
            "strength",
            "count",
            *USUAL,
            image="The first picture, which gives the shape",
            other="The second picture",
            balance="How much is of the second picture: 0 nothing, 1 everything",
            prompt="What the new picture shows, if that needs saying",
        )
        async def blend(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            other: discord.Attachment,
            balance: ShareOption = _BLEND.balance,
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
                task="blend",
                options=Blend(balance=balance),
                prompt=prompt,
                negative_prompt=negative_prompt,
                strength=strength,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
                loras=loras_of(lora),
            )
            await self._asking.paint(interaction, wish, image, model, preset, second=other)

        offer_strengths(blend)
        return self._asking.offering(blend)

    def _style(self) -> Command:
        @app_commands.command(name="style", description="Give a picture the look of another one")
        @app_commands.choices(keep=_choices(KEPT))
        @described(
            "strength",
            "count",
            *USUAL,
            image="The picture that says what is seen",
            style="The picture that says how it looks",
            prompt="What the new picture shows, if that needs saying",
            amount="How much of the other picture's look: 0 nothing, 1 all",
            keep="What is taken from the other picture",
        )
        async def style(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            style: discord.Attachment,
            strength: options.StrengthOption | None = None,
            prompt: options.NegativePromptOption = "",
            amount: ShareOption = _STYLE.scale,
            keep: str = _STYLE.keep,
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
                task="style",
                options=Style(scale=amount, keep=keep),
                prompt=prompt,
                negative_prompt=negative_prompt,
                strength=strength,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
                loras=loras_of(lora),
            )
            model = model or await asyncio.to_thread(self._stylist)
            await self._asking.paint(interaction, wish, image, model, preset, second=style)

        offer_strengths(style)
        self._asking.offering(style)
        self._asking.offer_models(style, _styles)
        return style

    def _stylist(self) -> str | None:
        """What can take the look of a picture."""
        return self._catalog.first_that(_styles)


def _styles(model: ModelInfo) -> bool:
    return model.image_adapter is not None


def _choices(offered: Mapping[str, str]) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=name, value=value) for name, value in offered.items()]
