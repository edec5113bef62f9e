"""/compare and ⚖️: before and after, side by side and as a wipe."""

import io
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands, ui

from bot.discord_ui.acknowledge import in_time
from bot.discord_ui.flows import parent_of
from bot.discord_ui.intake import Intake
from bot.discord_ui.outbox import MAY_NOT_ATTACH, NO_PERMISSION
from bot.discord_ui.uploads import Upload
from bot.errors import BadPicture, Gone, Refused
from bot.jobs.policy import check_channel
from bot.model import Job
from bot.pictures import PictureWorker
from bot.storage.images import ImageStore
from inference.picture import size_text

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

MAX_COMPARED = 4
"""Results of one job that are compared with its source; each makes two files."""

_Interaction = discord.Interaction[Any]
_Pair = tuple[bytes, bytes]
_Shown = tuple[ui.LayoutView, list[Upload]]


class Comparer:
    """Shows in the channel what was made of a picture. No job: nothing is painted for it."""

    def __init__(self, *, intake: Intake, images: ImageStore, pictures: PictureWorker) -> None:
        self._intake = intake
        self._images = images
        self._pictures = pictures
        self._busy: set[tuple[int | None, int]] = set()

    async def job(self, interaction: _Interaction, job: Job) -> None:
        """A finished job's source with its results. Raises Gone where one is not kept any more."""

        async def card() -> _Shown:
            if job.source is None or not job.results:
                raise Gone("These pictures are no longer there.")
            before = await self._images.get(job.source)
            pairs = [(before, await self._images.get(sha)) for sha in job.results[:MAX_COMPARED]]
            files = await self._files(pairs, interaction.filesize_limit)
            text = f"⚖️ **Before and after** · job #{job.id}"
            if len(job.results) > MAX_COMPARED:
                text += f"\n-# The first {MAX_COMPARED} of {len(job.results)} pictures."
            return _card(text, files), files

        await self._answer(interaction, card)

    async def posted(self, interaction: _Interaction, before: str, after: str) -> None:
        """Two attachments by their addresses. Raises BadPicture."""

        async def card() -> _Shown:
            pair = (await self._intake.read(before), await self._intake.read(after))
            files = await self._files([pair], interaction.filesize_limit)
            return _card("⚖️ **Before and after**", files), files

        await self._answer(interaction, card)

    async def _answer(
        self, interaction: _Interaction, card: Callable[[], Awaitable[_Shown]]
    ) -> None:
        """Shows it. Raises Refused in a channel without pictures, and for a second one at once."""
        who = interaction.guild_id, interaction.user.id
        if who in self._busy:
            raise Refused("One comparison at a time: wait for your last one, then ask again.")
        self._busy.add(who)
        try:
            await _show(interaction, *await in_time(interaction, _allowed(interaction, card)))
        except discord.Forbidden as error:
            if error.code != NO_PERMISSION:
                raise
            raise Refused(f"{MAY_NOT_ATTACH}, then ask again.") from error
        finally:
            self._busy.discard(who)

    async def _files(self, pairs: list[_Pair], limit: int) -> list[Upload]:
        """Two files for each pair, none larger than `limit` bytes. Raises BadPicture."""
        files = []
        for number, (before, after) in enumerate(pairs, start=1):
            sheet, wipe = await self._pictures.compare(before, after)
            if len(wipe) > limit:
                raise BadPicture(
                    f"The animation has {size_text(len(wipe))}; "
                    f"at most {size_text(limit)} are allowed here."
                )
            encoded = await self._pictures.encode_for_upload(sheet, limit)
            name = f"compare-{number}"
            files += [
                Upload(
                    name=f"{name}.{encoded.extension}",
                    data=encoded.data,
                    alt=f"Left before, right after, picture {number}",
                ),
                Upload(name=f"{name}.gif", data=wipe, alt=f"A wipe between both, picture {number}"),
            ]
        return files


def compare_command() -> app_commands.Command[Any, ..., None]:
    """/compare"""

    @app_commands.command(name="compare", description="Two pictures side by side and as a wipe")
    @app_commands.describe(before="The left one", after="The right one, which gives the shape")
    async def compare(
        interaction: "discord.Interaction[Palimpsest]",
        before: discord.Attachment,
        after: discord.Attachment,
    ) -> None:
        await interaction.client.comparer.posted(interaction, before.url, after.url)

    return compare


async def _allowed(
    interaction: "discord.Interaction[Palimpsest]", card: Callable[[], Awaitable[_Shown]]
) -> _Shown:
    """The card, unless the server keeps the bot to other channels. Raises Refused."""
    assert interaction.channel_id is not None  # commands and buttons are in one
    policy = await interaction.client.flows.policy_here(interaction)
    check_channel(policy, interaction.channel_id, thread_of=parent_of(interaction.channel))
    return await card()


def _card(text: str, files: list[Upload]) -> ui.LayoutView:
    gallery: ui.MediaGallery[Any] = ui.MediaGallery()
    for file in files:
        gallery.add_item(media=f"attachment://{file.name}", description=file.alt)
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.Container(ui.TextDisplay(text), gallery))
    view.stop()  # nothing in it can be pressed
    return view


async def _show(interaction: _Interaction, view: ui.LayoutView, files: list[Upload]) -> None:
    """Publicly, also when it had to be deferred before."""
    attached = [discord.File(io.BytesIO(file.data), file.name) for file in files]
    if interaction.response.is_done():
        await interaction.edit_original_response(view=view, attachments=attached)
    else:
        await interaction.response.send_message(view=view, files=attached)
