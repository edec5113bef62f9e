"""Carries a card to Discord, by the interaction's token or as the bot, and names what went wrong.

NotSent             the card is not there
├── Later           Discord or the network fails at the moment; try again
├── Expired         the placeholder cannot be edited (any more); a post may work
├── Unreachable     the channel is gone or closed to the bot; nobody can be told
├── TooLarge        the files are larger than is allowed here
├── NoFiles         the bot may not attach files here
└── Rejected        Discord finds the message itself wrong
    └── NoReply     the bot may not reply here, but may post
"""

import asyncio
import contextlib
import io
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
import discord
from discord import ui

from bot.discord_ui.buttons import BUTTON_ID, Action
from bot.discord_ui.uploads import Upload
from bot.model import Job

log = logging.getLogger(__name__)

NOBODY = discord.AllowedMentions.none()
TOKEN_MARGIN = timedelta(seconds=5)
CLOCK_SKEW = timedelta(minutes=1)
MESSAGES_SEARCHED = 300

PATIENCE = 90.0
"""Seconds for one call, with what discord.py waits and repeats of its own accord."""

UNKNOWN_CHANNEL, UNKNOWN_GUILD, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK = 10003, 10004, 10008, 10015
TOO_LARGE = 40005
NO_ACCESS, NO_PERMISSION, BAD_TOKEN = 50001, 50013, 50027
MAY_NOT_ATTACH = (
    "I may not attach files in this channel. Ask somebody who manages it for the permission "
    "“Attach Files”"
)
ARCHIVED, NO_REPLY, LOCKED = 50083, 160002, 160005

DEAD_PLACEHOLDER = {UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, BAD_TOKEN}
CLOSED_CHANNEL = {UNKNOWN_CHANNEL, UNKNOWN_GUILD, NO_ACCESS, NO_PERMISSION, ARCHIVED, LOCKED}


class NotSent(Exception):
    """The card is not in the channel."""


class Later(NotSent):
    """Discord or the network fails at the moment. The card may have arrived all the same."""


class Expired(NotSent):
    """The placeholder cannot be edited (any more)."""


class Unreachable(NotSent):
    """The channel is gone, or closed to the bot."""


class TooLarge(NotSent):
    """The files are larger than is allowed here."""


class NoFiles(NotSent):
    """The bot may not attach files here, or may not write here at all."""


class Rejected(NotSent):
    """Discord finds the message itself wrong; the text is what it said."""


class NoReply(Rejected):
    """The bot may not reply to a message here; it may still post."""


class Outbox:
    """Sends cards. Nobody is ever mentioned. Every method raises only NotSent.

    client: logged in.
    now: the wall clock that token_expires_at is compared with.
    """

    def __init__(
        self, client: discord.Client, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._now = now

    async def edit(self, job: Job, view: ui.LayoutView, files: Sequence[Upload] = ()) -> int:
        """Makes the placeholder show this card and these files only; returns its message id.

        While the token lives the placeholder of an interaction is edited by it, and may be edited
        where the bot itself may not even read. Without an interaction it is a message of the bot's.
        """
        attachments = _attached(files)
        async with _translated(files, placeholder=True):
            webhook = self._webhook(job)
            if webhook is not None:
                # Discord takes this name for the first answer to the interaction.
                target = job.message_id or cast(int, "@original")
                edited: discord.Message = await webhook.edit_message(
                    target, view=view, attachments=attachments, allowed_mentions=NOBODY
                )
                return edited.id
            if job.origin.interaction_id is None and job.message_id is not None:
                own = self._channel(job).get_partial_message(job.message_id)
                await own.edit(view=view, attachments=attachments, allowed_mentions=NOBODY)
                return own.id
        raise Expired

    async def post(self, job: Job, view: ui.LayoutView, files: Sequence[Upload] = ()) -> int:
        """Posts the card as the bot, replying to the placeholder; returns the message's id.

        Discord makes one message of all posts with the same nonce, for some minutes.
        """
        reference = self._reference(job)
        try:
            return await self._post(job, view, files, reference)
        except NoReply:
            return await self._post(job, view, files, None)

    async def _post(
        self,
        job: Job,
        view: ui.LayoutView,
        files: Sequence[Upload],
        reference: discord.MessageReference | None,
    ) -> int:
        answers: dict[str, Any] = {} if reference is None else {"reference": reference}
        async with _translated(files, placeholder=False):
            message = await self._channel(job).send(
                view=view,
                files=_attached(files),
                allowed_mentions=NOBODY,
                mention_author=False,
                nonce=f"palimpsest-{job.id}",
                **answers,
            )
        return message.id

    async def find(self, job: Job) -> int | None:
        """The message in the channel that already shows how this job ended, if there is one.

        For a delivery of which it is not known whether it arrived. None also where the bot may
        not read the channel's history.
        """
        try:
            async with _translated((), placeholder=False):
                return await self._find(job)
        except Later:
            raise
        except NotSent:
            return None

    async def _find(self, job: Job) -> int | None:
        channel = self._channel(job)
        if job.message_id is not None:
            with contextlib.suppress(discord.NotFound):
                if self._ends(await channel.fetch_message(job.message_id), job):
                    return job.message_id
        began = job.finished_at or job.created_at
        async for message in channel.history(
            limit=MESSAGES_SEARCHED, after=began - CLOCK_SKEW, oldest_first=True
        ):
            if self._ends(message, job):
                return message.id
        return None

    async def retire(self, job: Job, view: ui.LayoutView) -> None:
        """Lets a placeholder that a post has answered say so. It does not matter if that fails."""
        if job.message_id is None:
            return
        try:
            async with _translated((), placeholder=True):
                own = self._channel(job).get_partial_message(job.message_id)
                await own.edit(view=view, attachments=[], allowed_mentions=NOBODY)
        except NotSent as error:
            log.debug("The placeholder of job %s stays as it is: %r", job.id, error)

    def _webhook(self, job: Job) -> discord.Webhook | None:
        origin = job.origin
        if origin.interaction_token is None or origin.application_id is None:
            return None
        if origin.token_expires_at and origin.token_expires_at - TOKEN_MARGIN <= self._now():
            return None
        return discord.Webhook.partial(
            origin.application_id, origin.interaction_token, client=self._client
        )

    def _channel(self, job: Job) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(
            job.origin.channel_id, guild_id=job.origin.guild_id
        )

    def _reference(self, job: Job) -> discord.MessageReference | None:
        target = job.message_id or job.origin.reply_to
        if target is None:
            return None
        return discord.MessageReference(
            message_id=target,
            channel_id=job.origin.channel_id,
            guild_id=job.origin.guild_id,
            fail_if_not_exists=False,
        )

    def _ends(self, message: discord.Message, job: Job) -> bool:
        """Whether a message is ours and carries this job's buttons, and not those of a wait."""
        me = self._client.user
        if me is None or message.author.id != me.id:
            return False
        found = {
            match["action"]
            for custom_id in _custom_ids(message.components)
            if (match := BUTTON_ID.fullmatch(custom_id)) and int(match["job"]) == job.id
        }
        return bool(found - {Action.CANCEL})


def _custom_ids(components: Sequence[Any]) -> Iterator[str]:
    for component in components:
        custom_id = getattr(component, "custom_id", None)
        if custom_id is not None:
            yield custom_id
        yield from _custom_ids(getattr(component, "children", ()))


def _attached(files: Sequence[Upload]) -> list[discord.File]:
    return [
        discord.File(io.BytesIO(file.data), filename=file.name, description=file.alt)
        for file in files
    ]


@contextlib.asynccontextmanager
async def _translated(files: Sequence[Upload], *, placeholder: bool) -> AsyncIterator[None]:
    """Names a failure of Discord or of the network.

    files: what is attached; placeholder: whether a message is edited that may be gone.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except discord.RateLimited as error:
        raise Later(str(error)) from error
    except discord.HTTPException as error:
        raise _named(error, files=bool(files), placeholder=placeholder) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Later(repr(error)) from error


def _named(error: discord.HTTPException, *, files: bool, placeholder: bool) -> NotSent:
    if error.status == 429 or error.status >= 500:
        kind: type[NotSent] = Later
    elif files and (error.status == 413 or error.code == TOO_LARGE):
        kind = TooLarge
    elif files and error.code == NO_PERMISSION:
        kind = NoFiles
    elif placeholder:
        kind = _of_edit(error)
    else:
        kind = _of_post(error)
    return kind(str(error))


def _of_edit(error: discord.HTTPException) -> type[NotSent]:
    gone = error.code in DEAD_PLACEHOLDER | CLOSED_CHANNEL or error.status in (401, 403, 404)
    return Expired if gone else Rejected


def _of_post(error: discord.HTTPException) -> type[NotSent]:
    if error.code == NO_REPLY:
        return NoReply
    if error.code in CLOSED_CHANNEL:
        return Unreachable
    # Without a code it comes from something in front of Discord; a 401 is about the bot's own
    # token, and only the owner can help.
    return Later if error.status == 401 or not error.code else Rejected
