"""/describe and “What made this?”: what a picture's file or the job log says made it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui

from bot.discord_ui import cards
from bot.discord_ui.acknowledge import in_time
from bot.discord_ui.buttons import Action, JobButton
from bot.discord_ui.intake import Intake
from bot.discord_ui.menus import Picture, job_of, pictures_of
from bot.discord_ui.offered import Offered
from bot.discord_ui.replies import reply
from bot.discord_ui.translate import told
from bot.discord_ui.wish import Wish
from bot.discord_ui.wording import escaped
from bot.errors import BadPicture
from bot.jobs.service import JobService
from bot.model import Job
from inference.provenance import OWN_PROGRAM, Provenance
from inference.request import MAX_SEED

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

MENU = "What made this?"
MAX_DESCRIBED = 3  # pictures of one message
MAX_VALUE = 60
NOTHING = (
    "The file does not say what made it, and no job on this server is known to have made exactly "
    "this file."
)
OTHER_SEED = f"Seeds go from 0 to {MAX_SEED} here: run over this picture it gets a new one."

_Interaction = discord.Interaction[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """One picture and what is known of it: the job that made it here, or what its file says."""

    picture: Picture
    job: Job | None = None
    said: Provenance | None = None

    @property
    def wish(self) -> Wish:
        """The same again over this picture, as far as the file says how."""
        said = self.said or Provenance(program="")
        return Wish(
            prompt=said.prompt,
            negative_prompt=said.negative_prompt,
            strength=said.strength,
            steps=said.steps,
            guidance=said.guidance,
            seed=said.seed if _usable(said.seed) else None,
            scheduler=said.scheduler,
        )

    @property
    def model(self) -> str | None:
        """Which model, for a picture of ours; other programs' names mean nothing here."""
        return self.said.model if self.said and self.said.program == OWN_PROGRAM else None


class Describer:
    """Finds out what made a picture."""

    def __init__(self, *, service: JobService, intake: Intake) -> None:
        self._service = service
        self._intake = intake

    async def describe(self, guild_id: int, picture: Picture) -> Described:
        """From the job log by the file's content, else from the file. Raises BadPicture."""
        look = await self._intake.look(picture.url)
        job = await self._service.made(guild_id, look.sha)
        return Described(picture=picture, job=job, said=None if job else look.said)


def describe_command(
    describer: Describer, offered: Offered[Described]
) -> app_commands.Command[Any, ..., None]:
    """/describe"""

    @app_commands.command(name="describe", description="Tells what made a picture")
    @app_commands.describe(image="A picture of this bot, A1111, ComfyUI or InvokeAI")
    async def describe(interaction: _Interaction, image: discord.Attachment) -> None:
        pictures = [Picture(url=image.url, name=image.filename)]
        await _answer(interaction, pictures, describer, offered)

    return describe


def describe_menu(describer: Describer, offered: Offered[Described]) -> app_commands.ContextMenu:
    """The entry in the menu of every message."""

    async def describe(
        interaction: "discord.Interaction[Palimpsest]", message: discord.Message
    ) -> None:
        async with told(interaction, doing=MENU):
            me, job_id = interaction.client.user, job_of(message)
            if job_id is not None and me is not None and message.author.id == me.id:
                job = await interaction.client.flows.job_here(interaction, job_id)
                await reply(interaction, _card([_of_job(job)]))
                return
            pictures = pictures_of(message)
            if not pictures:
                raise BadPicture("There is no picture in that message.")
            await _answer(interaction, pictures, describer, offered)

    return app_commands.ContextMenu(name=MENU, callback=describe)


async def _answer(
    interaction: _Interaction,
    pictures: list[Picture],
    describer: Describer,
    offered: Offered[Described],
) -> None:
    guild_id = interaction.guild_id
    assert guild_id is not None  # the tree allows guilds only

    async def card() -> ui.LayoutView:
        blocks = []
        for number, picture in enumerate(pictures[:MAX_DESCRIBED]):
            described = await describer.describe(guild_id, picture)
            key = interaction.id + number  # no two interactions are so near: ids count milliseconds
            offered.put(key, described)
            blocks.append(_block(described, key))
        if len(pictures) > MAX_DESCRIBED:
            blocks.append([ui.TextDisplay(f"-# The first {MAX_DESCRIBED} of {len(pictures)}.")])
        return _card(blocks)

    await reply(interaction, await in_time(interaction, card(), ephemeral=True))


def _block(described: Described, key: int) -> list[ui.Item[Any]]:
    if described.job is not None:
        return _of_job(described.job)
    name = f"**{escaped(described.picture.name, MAX_VALUE)}**"
    if described.said is None:
        return [ui.TextDisplay(f"{name}\n{NOTHING}")]
    said = described.said
    lines = [f"{name} · made with {escaped(said.program, MAX_VALUE)}"]
    lines.append(cards.wish_text(said.prompt, said.negative_prompt))
    lines.append(f"-# {_values(said)}")
    if said.seed is not None and not _usable(said.seed):
        lines.append(f"-# {OTHER_SEED}")
    button = JobButton(Action.DESCRIBED, key)
    return [ui.TextDisplay("\n".join(lines)), ui.ActionRow(button)]


def _of_job(job: Job) -> list[ui.Item[Any]]:
    lines = [
        f"**Job #{job.id}** · asked by <@{job.origin.user_id}>",
        cards.wish_text(job.recipe.prompt, job.recipe.negative_prompt),
        f"-# {cards.used(job)}",
    ]
    return [ui.TextDisplay("\n".join(lines)), ui.ActionRow(JobButton(Action.AGAIN, job.id))]


def _usable(seed: int | None) -> bool:
    """Whether a recipe can have this seed; other programs have larger ones."""
    return seed is not None and 0 <= seed <= MAX_SEED


def _values(said: Provenance) -> str:
    parts = [
        None if said.strength is None else f"strength {said.strength:g}",
        None if said.steps is None else f"{said.steps} steps",
        None if said.guidance is None else f"guidance {said.guidance:g}",
        escaped(said.sampler, MAX_VALUE),
        None if said.seed is None else f"seed {said.seed}",
        escaped(said.model, MAX_VALUE),
        escaped(said.size, MAX_VALUE),
    ]
    return " · ".join(part for part in parts if part)


def _card(blocks: list[list[ui.Item[Any]]]) -> ui.LayoutView:
    container: ui.Container[Any] = ui.Container()
    for number, block in enumerate(blocks):
        if number:
            container.add_item(ui.Separator())
        for item in block:
            container.add_item(item)
    view = ui.LayoutView(timeout=None)
    view.add_item(container)
    view.stop()  # its buttons are dynamic items
    return view
