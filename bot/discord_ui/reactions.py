"""🎲 as a reaction on a card: a reroll for whoever reacts, within their own limits.

A reaction has no interaction: nothing has to be acknowledged within seconds, and nothing can be
said privately. So the job gets a placeholder that the bot posts under the card, and a refusal is
a short-lived reply there, at most one at a time for each member.
"""

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

import aiohttp
import discord

from bot.discord_ui import cards
from bot.discord_ui.acknowledge import passing
from bot.discord_ui.flows import Flows, parent_of
from bot.discord_ui.menus import job_of
from bot.discord_ui.outbox import CLOCK_SKEW, MESSAGES_SEARCHED
from bot.discord_ui.replies import panel
from bot.discord_ui.translate import explain
from bot.discord_ui.wish import rerolled
from bot.jobs.service import JobService
from bot.model import UPLOAD_LIMIT, Job, JobStatus, Origin, OriginKind

if TYPE_CHECKING:
    from bot.discord_ui.client import Palimpsest

log = logging.getLogger(__name__)

DIE = "🎲"
NOTICE_SECONDS = 20.0
TRIES, FIRST_PAUSE = 5, 1.0
"""Posting a placeholder, and seconds before the second of these tries; then twice as long."""


class Reactions:
    """Turns dice on our cards into jobs."""

    def __init__(self, *, client: "Palimpsest", service: JobService, flows: Flows) -> None:
        self._client = client
        self._service = service
        self._flows = flows
        self._told: set[tuple[int | None, int]] = set()

    async def added(self, payload: discord.RawReactionActionEvent) -> None:
        """Somebody reacted somewhere. Never raises.

        While a refusal to a member still stands, their further dice on that server are ignored.
        """
        me = self._client.user
        if str(payload.emoji) != DIE or payload.guild_id is None or me is None:
            return
        if payload.member is None or payload.member.bot:
            return
        if payload.message_author_id not in (me.id, None):
            return
        if (payload.guild_id, payload.user_id) in self._told:
            return
        with self._flows.underway.here():
            try:
                await self._reroll(payload, payload.guild_id, me.id)
            except discord.Forbidden as error:
                # Where the bot may not read or post, it cannot tell anybody either.
                log.info("%s on %s came to nothing: %s", DIE, payload.message_id, error)
            except Exception as error:  # the border to Discord: behind it nobody would hear of it
                await self._tell(payload, explain(error, doing=f"{DIE} on {payload.message_id}"))

    async def _reroll(
        self, payload: discord.RawReactionActionEvent, guild_id: int, me: int
    ) -> None:
        job = await self._record(payload, guild_id, me)
        if job is None:
            return
        with self._flows.held(job):
            refusal = await self.carry_on(job)
        if refusal is not None:
            placeholder = (await self._service.get(job.id)).message_id
            told = await self._tell(payload, refusal, placeholder=placeholder)
            await self._flows.settle(job, told=told)

    async def _record(
        self, payload: discord.RawReactionActionEvent, guild_id: int, me: int
    ) -> Job | None:
        """The new job's row; None where the message is no finished card."""
        message = await self._channel(payload.channel_id).fetch_message(payload.message_id)
        job_id = job_of(message)
        if job_id is None or message.author.id != me:
            return None
        parent = await self._service.get(job_id)
        if parent.status is not JobStatus.SUCCEEDED or parent.origin.guild_id != guild_id:
            return None
        guild = self._client.get_guild(guild_id)
        origin = Origin(
            kind=OriginKind.REACTION,
            guild_id=guild_id,
            channel_id=payload.channel_id,
            user_id=payload.user_id,
            reply_to=payload.message_id,
            upload_limit=guild.filesize_limit if guild is not None else UPLOAD_LIMIT,
        )
        order = await self._flows.order_from(parent, rerolled)
        thread = guild.get_thread(payload.channel_id) if guild is not None else None
        job, _created = await self._flows.record(origin, order, thread_of=parent_of(thread))
        return job

    async def carry_on(self, job: Job, *, resumed: bool = False) -> str | None:
        """From a reaction's RECEIVED row to QUEUED; else why not, as `Flows.submit`.

        One that is cancelled before its placeholder is noted gets none: Delivery has told its end.

        resumed: whether a former run of the bot may have posted the placeholder.

        Raises discord.HTTPException, aiohttp.ClientError or OSError when no placeholder can be
        posted: it was tried often enough, or Discord refuses it.
        """
        if job.message_id is None:
            message_id = await self._placeholder(job, resumed=resumed)
            if message_id is None:
                return None
            if not await self._service.set_message(job.id, message_id):
                await self._take_back(job, message_id)
                return None
        return await self._flows.submit(job)

    async def _placeholder(self, job: Job, *, resumed: bool) -> int | None:
        """Posts it, or finds it posted; None where the job has ended meanwhile.

        The answer to a post may be lost, so it is repeated: to what is posted again within some
        minutes, Discord answers with the first one.
        """
        found = await self._find(job) if resumed else None
        if found is not None:
            return found
        if (await self._service.get(job.id)).status.finished:
            return None
        for attempt in range(1, TRIES + 1):
            try:
                message = await self._post(
                    job.origin.channel_id,
                    job.origin.reply_to,
                    view=cards.waiting(job, None),
                    nonce=f"palimpsest-ask-{job.id}",
                )
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                if attempt == TRIES or not passing(error):
                    raise
                log.warning("The placeholder of job %s is posted again: %r", job.id, error)
                await asyncio.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
            else:
                break
        return message.id

    async def _take_back(self, job: Job, message_id: int) -> None:
        """Takes a placeholder away that nobody will answer; it does not matter if that fails."""
        try:
            await self._channel(job.origin.channel_id).get_partial_message(message_id).delete()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as lost:
            log.warning("The placeholder of job %s stays: %r", job.id, lost)

    async def _find(self, job: Job) -> int | None:
        """The job's placeholder, if it is there and the bot may read what was written here."""
        channel = self._channel(job.origin.channel_id)
        since = job.created_at - CLOCK_SKEW
        try:
            async for message in channel.history(
                limit=MESSAGES_SEARCHED, after=since, oldest_first=True
            ):
                if message.author == self._client.user and job_of(message) == job.id:
                    return message.id
        except (discord.Forbidden, discord.NotFound):
            log.info("Whether job %s has a placeholder cannot be read", job.id)
        return None

    async def _tell(
        self, payload: discord.RawReactionActionEvent, text: str, *, placeholder: int | None = None
    ) -> bool:
        """What a placeholder becomes, or a reply; goes away by itself. Whether it was there."""
        who = payload.guild_id, payload.user_id
        self._told.add(who)
        view = panel(f"<@{payload.user_id}> {text}")
        try:
            if placeholder is not None:
                channel = self._channel(payload.channel_id)
                notice = await channel.get_partial_message(placeholder).edit(view=view)
            else:
                nonce = f"palimpsest-no-{secrets.token_hex(5)}"
                notice = await self._post(
                    payload.channel_id, payload.message_id, view=view, nonce=nonce
                )
        except (discord.HTTPException, aiohttp.ClientError, OSError) as lost:
            log.warning("Could not tell member %s: %s (%s)", payload.user_id, text, lost)
            self._told.discard(who)
            return False
        asyncio.get_running_loop().call_later(NOTICE_SECONDS, self._told.discard, who)
        await notice.delete(delay=NOTICE_SECONDS)
        return True

    async def _post(
        self,
        channel_id: int,
        reply_to: int | None,
        *,
        view: discord.ui.LayoutView,
        nonce: str,
    ) -> discord.Message:
        channel = self._channel(channel_id)
        if reply_to is None:
            return await channel.send(view=view, nonce=nonce)
        reference = discord.MessageReference(
            message_id=reply_to, channel_id=channel_id, fail_if_not_exists=False
        )
        return await channel.send(view=view, nonce=nonce, reference=reference)

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)
