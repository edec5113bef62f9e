"""The slash commands that paint: /reimagine, /sketch, /ladder, /colorize and /imagine."""

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.preset_commands import offer_presets
from bot.discord_ui.wish import Wish
from bot.errors import BadPicture
from bot.jobs.presets import Presets
from bot.model import OriginKind
from inference.catalog import Catalog
from inference.errors import RequestError
from inference.loras import LoraUse, parse_lora
from inference.picture import size_text

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

Callback = TypeVar("Callback", bound=Callable[..., Any])
Command = app_commands.Command[Any, ..., None]
Interaction = discord.Interaction[Any]

_ABOUT = {
    "image": "The picture to paint over",
    "prompt": "What the new picture shows",
    "strength": "How far it is painted over: 0 keeps the picture, 1 leaves nothing of it",
    "size": "Its shape; the model says how large it is",
    "negative_prompt": "What the new picture does not show",
    "steps": "How many steps the whole schedule has; more is finer and slower",
    "guidance": "How closely the prompt is followed",
    "seed": "The same seed and options give the same picture",
    "count": "How many pictures",
    "model": "What paints it",
    "lora": "A style for that model, as in ink or ink:0.8",
    "preset": "Words around your prompt, and what suits them; /presets lists them",
}
_USUAL = ("negative_prompt", "steps", "guidance", "seed", "model", "lora", "preset")


class PaintingCommands:
    """Makes the commands.

    default_model: what paints where a member names none. max_bytes: the largest picture that is
    worth fetching.
    """

    def __init__(
        self, *, catalog: Catalog, presets: Presets, default_model: str, max_bytes: int
    ) -> None:
        self._catalog = catalog
        self._presets = presets
        self._default_model = default_model
        self._max_bytes = max_bytes

    def all(self) -> list[Command]:
        """In the order in which they are listed."""
        return [
            self._over("reimagine", "Paint a new picture over yours", task="img2img"),
            self._over("sketch", "Paint over a drawing, or a photo of one", task="sketch"),
            self._ladder(),
            self._colorize(),
            self._imagine(),
        ]

    def _over(self, name: str, description: str, *, task: str) -> Command:
        """A command that paints over a picture as far as strength says."""

        @app_commands.command(name=name, description=description)
        @_described("image", "prompt", "strength", "count", *_USUAL)
        async def paint(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.PromptOption,
            strength: options.StrengthOption | None = None,
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            guidance: options.GuidanceOption | None = None,
            seed: options.SeedOption | None = None,
            count: options.CountOption | None = None,
            model: str | None = None,
            lora: options.LoraOption | None = None,
            preset: str | None = None,
        ) -> None:
            wish = Wish(
                task=task,
                prompt=prompt,
                negative_prompt=negative_prompt,
                strength=strength,
                steps=steps,
                guidance=guidance,
                seed=seed,
                count=count,
                loras=_loras(lora),
            )
            await self._paint(interaction, wish, image, model, preset)

        @paint.autocomplete("strength")
        async def bands(
            _interaction: Interaction, typed: str | float
        ) -> list[app_commands.Choice[float]]:
            # discord.py makes NaN of a number that is still empty.
            nothing = isinstance(typed, float) and math.isnan(typed)
            return options.strength_choices("" if nothing else str(typed))

        return self._offering(paint)

    def _ladder(self) -> Command:
        @app_commands.command(name="ladder", description="One seed at six strengths to choose from")
        @_described("image", "prompt", *_USUAL)
        async def ladder(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.PromptOption,
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            guidance: options.GuidanceOption | None = None,
            seed: options.SeedOption | None = None,
            model: str | None = None,
            lora: options.LoraOption | None = None,
            preset: str | None = None,
        ) -> None:
            wish = Wish(
                prompt=prompt,
                negative_prompt=negative_prompt,
                steps=steps,
                guidance=guidance,
                seed=seed,
                loras=_loras(lora),
                ladder=True,
            )
            await self._paint(interaction, wish, image, model, preset)

        return self._offering(ladder)

    def _colorize(self) -> Command:
        @app_commands.command(
            name="colorize", description="Colour a grey, tinted or faded picture; its light stays"
        )
        @_described("image", "prompt", "seed", "model")
        async def colorize(
            interaction: "discord.Interaction[Palimpsest]",
            image: discord.Attachment,
            prompt: options.NegativePromptOption = "",
            seed: options.SeedOption | None = None,
            model: str | None = None,
        ) -> None:
            wish = Wish(task="colorize", prompt=prompt, seed=seed)
            model = model or self._catalog.made_for("colorize")
            await self._paint(interaction, wish, image, model, None)

        self._offer_models(colorize)
        return colorize

    def _imagine(self) -> Command:
        @app_commands.command(name="imagine", description="Paint a picture from a prompt alone")
        @app_commands.choices(size=options.SHAPE_CHOICES)
        @_described("prompt", "size", "count", *_USUAL)
        async def imagine(  # noqa: PLR0917  (Discord's options are parameters)
            interaction: "discord.Interaction[Palimpsest]",
            prompt: options.PromptOption,
            size: str = "square",
            negative_prompt: options.NegativePromptOption | None = None,
            steps: options.StepsOption | None = None,
            guidance: options.GuidanceOption | None = None,
            seed: options.SeedOption | None = None,
            count: options.CountOption | None = None,
            model: str | None = None,
            lora: options.LoraOption | None = None,
            preset: str | None = None,
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
                loras=_loras(lora),
            )
            await self._paint(interaction, wish, None, model, preset)

        return self._offering(imagine)

    async def _paint(
        self,
        interaction: "discord.Interaction[Palimpsest]",
        wish: Wish,
        image: discord.Attachment | None,
        model: str | None,
        preset: str | None,
    ) -> None:
        if image is not None and image.size > self._max_bytes:
            raise BadPicture(
                f"The attachment has {size_text(image.size)}; "
                f"at most {size_text(self._max_bytes)} are allowed."
            )
        await interaction.client.flows.fresh(
            interaction,
            wish,
            kind=OriginKind.COMMAND,
            url=None if image is None else image.url,
            model=model,
            preset=preset,
        )

    def _offering(self, command: Command) -> Command:
        """The command with what is offered while a member types."""
        self._offer_models(command)
        offer_presets(command, self._presets)

        @command.autocomplete("lora")
        async def loras(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
            model = interaction.namespace.model or self._default_model
            return options.lora_choices(await asyncio.to_thread(self._loras_for, model), typed)

        return command

    def _offer_models(self, command: Command) -> None:
        @command.autocomplete("model")
        async def models(_interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
            return options.model_choices(await asyncio.to_thread(self._catalog.list), typed)

    def _loras_for(self, model: str) -> tuple[str, ...]:
        try:
            return self._catalog.loras_for(model)
        except RequestError:  # a model's name that is not typed to the end yet
            return ()


def _described(*names: str) -> Callable[[Callback], Callback]:
    """What is said of each option."""
    return app_commands.describe(**{name: _ABOUT[name] for name in names})


def _loras(typed: str | None) -> tuple[LoraUse, ...]:
    return () if typed is None else (parse_lora(typed),)
