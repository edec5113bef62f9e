"""The slash commands for everybody: /reimagine, /imagine, /queue and /cancel."""

import asyncio
import math
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.discord_ui import options
from bot.discord_ui.acknowledge import in_time
from bot.discord_ui.flows import guild_of
from bot.discord_ui.queue_card import MAX_LINES, queue_card
from bot.discord_ui.replies import panel, reply
from bot.discord_ui.wish import Wish
from bot.errors import BadPicture
from bot.jobs.service import JobService
from bot.model import OriginKind
from inference.catalog import Catalog
from inference.picture import size_text

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

Interaction = discord.Interaction[Any]


def reimagine_command(*, catalog: Catalog, max_bytes: int) -> app_commands.Command[Any, ..., None]:
    """/reimagine; max_bytes: the largest picture that is worth fetching."""

    @app_commands.command(name="reimagine", description="Paint a new picture over yours")
    @app_commands.describe(
        image="The picture to paint over",
        prompt="What the new picture shows",
        strength="How far it is painted over: 0 keeps the picture, 1 leaves nothing of it",
        negative_prompt="What the new picture does not show",
        steps="How many steps the whole schedule has; more is finer and slower",
        guidance="How closely the prompt is followed",
        seed="The same seed and options give the same picture",
        count="How many pictures",
        model="What paints it",
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
        model: str | None = None,
    ) -> None:
        if image.size > max_bytes:
            raise BadPicture(
                f"The attachment has {size_text(image.size)}; "
                f"at most {size_text(max_bytes)} are allowed."
            )
        wish = Wish(
            prompt=prompt,
            negative_prompt=negative_prompt,
            strength=strength,
            steps=steps,
            guidance=guidance,
            seed=seed,
            count=count,
        )
        await interaction.client.flows.fresh(
            interaction, wish, kind=OriginKind.COMMAND, url=image.url, model=model
        )

    @reimagine.autocomplete("strength")
    async def bands(
        _interaction: Interaction, typed: str | float
    ) -> list[app_commands.Choice[float]]:
        # discord.py makes NaN of a number that is still empty.
        nothing = isinstance(typed, float) and math.isnan(typed)
        return options.strength_choices("" if nothing else str(typed))

    _offer_models(reimagine, catalog)
    return reimagine


def imagine_command(catalog: Catalog) -> app_commands.Command[Any, ..., None]:
    """/imagine"""

    @app_commands.command(name="imagine", description="Paint a picture from a prompt alone")
    @app_commands.choices(size=options.SHAPE_CHOICES)
    @app_commands.describe(
        prompt="What the picture shows",
        size="Its shape; the model says how large it is",
        negative_prompt="What the picture does not show",
        steps="How many steps the schedule has; more is finer and slower",
        guidance="How closely the prompt is followed",
        seed="The same seed and options give the same picture",
        count="How many pictures",
        model="What paints it",
    )
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
        )
        await interaction.client.flows.fresh(
            interaction, wish, kind=OriginKind.COMMAND, url=None, model=model
        )

    _offer_models(imagine, catalog)
    return imagine


def queue_command(service: JobService) -> app_commands.Command[Any, ..., None]:
    """/queue"""

    @app_commands.command(name="queue", description="What is being painted here, and what waits")
    async def queue(interaction: Interaction) -> None:
        view = await in_time(
            interaction, _queue(service, guild_of(interaction), interaction.user.id), ephemeral=True
        )
        await reply(interaction, view)

    return queue


def cancel_command(service: JobService) -> app_commands.Command[Any, ..., None]:
    """/cancel"""

    @app_commands.command(name="cancel", description="Cancel one of your jobs that is not done")
    @app_commands.describe(job="Which one")
    async def cancel(
        interaction: "discord.Interaction[Palimpsest]", job: app_commands.Range[int, 1]
    ) -> None:
        flows = interaction.client.flows
        await in_time(interaction, flows.cancel(interaction, job), ephemeral=True)
        await reply(interaction, panel(f"Job #{job} is cancelled."))

    @cancel.autocomplete("job")
    async def jobs(interaction: Interaction, typed: str | int) -> list[app_commands.Choice[int]]:
        if interaction.guild_id is None:
            return []
        waiting = await service.waiting(interaction.guild_id)
        return options.job_choices(waiting, interaction.user.id, str(typed))

    return cancel


def _offer_models(command: app_commands.Command[Any, ..., None], catalog: Catalog) -> None:
    @command.autocomplete("model")
    async def models(_interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return options.model_choices(await asyncio.to_thread(catalog.list), typed)


async def _queue(service: JobService, guild_id: int, user_id: int) -> discord.ui.LayoutView:
    jobs = await service.waiting(guild_id)
    shown = [(job, await service.place(job.id)) for job in jobs[:MAX_LINES]]
    usage = await service.preview_usage(guild_id, user_id)
    return queue_card(shown, more=len(jobs) - len(shown), usage=usage)
