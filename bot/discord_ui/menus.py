"""“Reimagine this” in the menu of a message, and the pictures that a message shows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.discord_ui.buttons import BUTTON_ID, Action
from bot.discord_ui.modals import picture_modal, result_modal
from bot.discord_ui.offered import Offered
from bot.discord_ui.translate import told
from bot.errors import BadPicture

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

MENU = "Reimagine this"
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture in a message: where its bytes are, and what to call it."""

    url: str
    name: str


def pictures_of(message: discord.Message) -> list[Picture]:
    """The pictures that a message or what it forwards shows, each once.

    Attachments first, then galleries, then embeds. An attachment is read from its own URL. What
    an embed shows lies anywhere in the world and is read through Discord's proxy only, so that
    nobody can make this bot call on other hosts.
    """
    shown: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    found = (picture for part in shown for picture in _pictures_in(part))
    return list({picture.url: picture for picture in found}.values())


def _pictures_in(part: discord.Message | discord.MessageSnapshot) -> Iterator[Picture]:
    yield from _attached(part.attachments)
    yield from _in_components(part.components)
    for number, embed in enumerate(part.embeds, 1):
        for media in (embed.image, embed.thumbnail):
            if media.proxy_url:
                yield Picture(url=media.proxy_url, name=embed.title or f"Embed {number}")


def _attached(attachments: Iterable[discord.Attachment]) -> Iterator[Picture]:
    for attachment in attachments:
        if _is_picture(attachment.content_type, attachment.filename):
            yield Picture(url=attachment.url, name=attachment.filename)


def _in_components(components: Iterable[Any]) -> Iterator[Picture]:
    for component in components:
        match component:
            case discord.MediaGalleryComponent():
                for item in component.items:
                    yield from _shown(item.media)
            case discord.FileComponent():
                yield from _shown(component.media)
            case _:
                yield from _in_components(getattr(component, "children", ()))


def _shown(media: discord.UnfurledMediaItem) -> Iterator[Picture]:
    # Media that Discord does not keep itself has a proxy, like an embed's.
    url = media.url if media.attachment_id is not None else media.proxy_url
    name = PurePosixPath((url or "").partition("?")[0]).name
    if url and _is_picture(media.content_type, name):
        yield Picture(url=url, name=name)


def _is_picture(content_type: str | None, name: str) -> bool:
    if content_type:
        return content_type.startswith("image/")
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def job_of(message: discord.Message) -> int | None:
    """The job whose card this message of ours is, or None."""
    return _button_job(message.components)


def _button_job(components: Iterable[Any]) -> int | None:
    for component in components:
        if isinstance(component, discord.Button):
            match = BUTTON_ID.fullmatch(component.custom_id or "")
            if match is not None and match["action"] != Action.DESCRIBED:
                return int(match["job"])
        found = _button_job(getattr(component, "children", ()))
        if found is not None:
            return found
    return None


OfferedPictures = Offered[tuple[Picture, ...]]
"""By message, the pictures of those whose form is open: a form cannot carry an address."""

TOO_OLD = f"This form is too old; open “{MENU}” on the message again."


def reimagine_menu(offered: OfferedPictures) -> app_commands.ContextMenu:
    """The entry in the menu of every message."""

    async def reimagine(
        interaction: "discord.Interaction[Palimpsest]", message: discord.Message
    ) -> None:
        async with told(interaction, doing=MENU):
            await interaction.response.send_modal(await _form(interaction, message, offered))

    return app_commands.ContextMenu(name=MENU, callback=reimagine)


async def _form(
    interaction: "discord.Interaction[Palimpsest]",
    message: discord.Message,
    offered: OfferedPictures,
) -> discord.ui.Modal:
    """For one of our own cards a form about its stored results, which are better than what was
    uploaded; for any other message one about the pictures that it shows."""
    flows = interaction.client.flows
    me = interaction.client.user
    job_id = job_of(message) if me is not None and message.author.id == me.id else None
    if job_id is not None:
        job = await flows.job_here(interaction, job_id)
        if job.results:
            return result_modal(job, await flows.policy_here(interaction))
    pictures = pictures_of(message)
    if not pictures:
        raise BadPicture("There is no picture in that message.")
    offered.put(message.id, tuple(pictures))
    policy = await flows.policy_here(interaction)
    return picture_modal(message.id, [picture.name for picture in pictures], policy)
