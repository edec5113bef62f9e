"""What all commands that paint have in common: their options, and what is offered for them."""

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
from inference.model_info import ModelInfo
from inference.picture import size_text

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

Callback = TypeVar("Callback", bound=Callable[..., Any])
Command = app_commands.Command[Any, ..., None]
Interaction = discord.Interaction[Any]

ABOUT = {
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
USUAL = ("negative_prompt", "steps", "guidance", "seed", "model", "lora", "preset")
"""Options that nearly every command has."""


class Asking:
    """Asks for what a command describes, and offers what can be typed.

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

    async def paint(
        self,
        interaction: "discord.Interaction[Palimpsest]",
        wish: Wish,
        image: discord.Attachment | None,
        model: str | None,
        preset: str | None = None,
        *,
        second: discord.Attachment | None = None,
    ) -> None:
        """A job on the attachment, or over nothing; second: another that the task takes.

        Raises UserError, RequestError.
        """
        for picture in (image, second):
            if picture is not None and picture.size > self._max_bytes:
                raise BadPicture(
                    f"The attachment has {size_text(picture.size)}; "
                    f"at most {size_text(self._max_bytes)} are allowed."
                )
        await interaction.client.flows.fresh(
            interaction,
            wish,
            kind=OriginKind.COMMAND,
            url=None if image is None else image.url,
            second_url=None if second is None else second.url,
            model=model,
            preset=preset,
        )

    def offering(self, command: Command) -> Command:
        """The command with what is offered while a member types."""
        self.offer_models(command)
        offer_presets(command, self._presets)

        @command.autocomplete("lora")
        async def loras(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
            model = interaction.namespace.model or self._default_model
            return options.lora_choices(await asyncio.to_thread(self._loras_for, model), typed)

        return command

    def offer_models(
        self, command: Command, fits: Callable[[ModelInfo], bool] = lambda _model: True
    ) -> None:
        """Offers the catalogue's models for a command's option `model`. fits: which of them."""

        @command.autocomplete("model")
        async def models(_interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
            known = await asyncio.to_thread(self._catalog.list)
            return options.model_choices([model for model in known if fits(model)], typed)

    def _loras_for(self, model: str) -> tuple[str, ...]:
        try:
            return self._catalog.loras_for(model)
        except RequestError:  # a model's name that is not typed to the end yet
            return ()


def described(*names: str, **own: str) -> Callable[[Callback], Callback]:
    """What is said of each option. own: of those that only this command has."""
    return app_commands.describe(**{name: ABOUT[name] for name in names}, **own)


def offer_strengths(command: Command) -> None:
    """Offers the named strengths for a command's option `strength`."""

    @command.autocomplete("strength")
    async def bands(
        _interaction: Interaction, typed: str | float
    ) -> list[app_commands.Choice[float]]:
        # discord.py makes NaN of a number that is still empty.
        nothing = isinstance(typed, float) and math.isnan(typed)
        return options.strength_choices("" if nothing else str(typed))


def loras_of(typed: str | None) -> tuple[LoraUse, ...]:
    """The LoRA of an option. Raises RequestError."""
    return () if typed is None else (parse_lora(typed),)
