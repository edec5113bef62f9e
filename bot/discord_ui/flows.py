"""The one place where "a member asks for a job" becomes a job.

A row is written, then the interaction is acknowledged with a public "thinking…" message, then
the picture is fetched and the job submitted. What is wrong before the acknowledgement (a range,
the channel, somebody else's button, too many jobs that are not done) is answered privately and
leaves no row, and nothing is fetched for it. What is wrong after it (a picture that cannot be
read, a used-up budget) takes the "thinking…" message away again and is told privately as well: a
refusal is no news for the channel. Where nobody can be told privately any more, because the bot
was restarted in between, Delivery tells it in the channel.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import discord

from bot.discord_ui.acknowledge import ASKED_AGAIN, Rush, defer, in_time, take_back
from bot.discord_ui.intake import Intake
from bot.discord_ui.onward import Change, Onward
from bot.discord_ui.sources import stored_pictures
from bot.discord_ui.translate import explain, say
from bot.discord_ui.underway import Underway
from bot.discord_ui.wish import Wish
from bot.errors import Gone, Refused, UserError
from bot.jobs.events import JobFinished
from bot.jobs.presets import Presets
from bot.jobs.service import Actor, JobService
from bot.model import GuildPolicy, Job, JobStatus, Origin, OriginKind
from bot.storage.database import DatabaseUnavailable
from inference.catalog import Catalog, answers_once
from inference.loras import with_tags
from inference.request import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What a job is made of: source_url for a picture to fetch, source for a stored one.

    second_url, second: the same of a second picture, see `Job`.
    """

    recipe: Recipe
    parent_id: int | None = None
    source_url: str | None = None
    source: str | None = None
    second_url: str | None = None
    second: str | None = None


class Flows:
    """Asks for jobs and acts on them for whoever pressed, typed or reacted."""

    def __init__(
        self,
        *,
        service: JobService,
        presets: Presets,
        intake: Intake,
        catalog: Catalog,
        default_model: str,
    ) -> None:
        self._service = service
        self._presets = presets
        self._intake = intake
        self._catalog = catalog
        self._default_model = default_model
        self.onward = Onward(catalog=catalog, default_model=default_model)
        self._rush = Rush()
        self.underway = Underway()

    # ------------------------------------------------------------ asking for a job

    async def fresh(
        self,
        interaction: discord.Interaction[Any],
        wish: Wish,
        *,
        kind: OriginKind,
        url: str | None,
        second_url: str | None = None,
        model: str | None = None,
        preset: str | None = None,
        reply_to: int | None = None,
    ) -> None:
        """A job on a posted picture; url: where its bytes are, None to paint over nothing.

        second_url: likewise of a second picture, if the task takes one.
        """

        async def order() -> Order:
            info = await asyncio.to_thread(self._catalog.find, model or self._default_model)
            guild_id = guild_of(interaction)
            policy = await self._service.policy(guild_id)
            styled = wish.styled(await self._presets.find(guild_id, preset)) if preset else wish
            if url is None and policy.max_strength < 1:
                raise Refused(
                    f"On this server at most strength {policy.max_strength:g} is allowed, and a "
                    "picture from the prompt alone is strength 1; use /reimagine with a picture."
                )
            return Order(recipe=styled.fresh(policy, info), source_url=url, second_url=second_url)

        await self._ask(interaction, order, origin_of(interaction, kind, reply_to))

    async def child(
        self,
        interaction: discord.Interaction[Any],
        parent_id: int,
        change: Change,
        *,
        kind: OriginKind,
        result: int | None = None,
        painted_url: str | None = None,
        anybody: bool = False,
    ) -> None:
        """A job made from another: on the same pictures, or on its result number `result`.

        painted_url: of that result, painted over by the member; where, is the mask.

        anybody: also who may not press the parent's buttons.
        """

        async def order() -> Order:
            parent = await self.job_here(interaction, parent_id)
            if not anybody:
                await self._service.may_use(parent, actor_of(interaction))
            return await self.order_from(parent, change, result=result, painted_url=painted_url)

        reply_to = interaction.message.id if interaction.message else None
        await self._ask(interaction, order, origin_of(interaction, kind, reply_to))

    async def order_from(
        self,
        parent: Job,
        change: Change,
        *,
        result: int | None = None,
        painted_url: str | None = None,
    ) -> Order:
        """The order for a child of `parent`, as for `child`. Raises UserError, RequestError."""
        policy = await self._service.policy(parent.origin.guild_id)
        source, second = parent.source, parent.second
        if result is not None:
            source = parent.results[result] if result < len(parent.results) else None
            second = None
        if source is None if result is not None else not parent.fetched:
            raise Gone("That picture is no longer there.")
        recipe = parent.recipe
        if result is not None:
            painted = painted_url is not None
            recipe = await asyncio.to_thread(
                self.onward.recipe, recipe, policy, result=result, painted=painted
            )
        recipe = await asyncio.to_thread(change, recipe, policy)  # it may ask the catalogue
        return Order(
            recipe=recipe,
            parent_id=parent.id,
            source=source,
            second_url=painted_url,
            second=second,
        )

    def edited(self, wish: Wish) -> Change:
        """The parent's recipe with what a form says of it.

        New words for what a model made that reads none are for the usual one, which has its own
        steps and strength where the form still says those of the parent.
        """

        def change(parent: Recipe, policy: GuildPolicy) -> Recipe:
            prefilled = with_tags(parent.prompt, parent.loras), parent.negative_prompt
            said = wish.prompt, wish.negative_prompt or ""
            if said == prefilled or not any(said) or not answers_once(parent.model):
                return wish.over(parent)
            model = self._catalog.find(self._default_model)
            steps = None if wish.steps == parent.steps else wish.steps
            strength = None if wish.strength == parent.strength else wish.strength
            anew = replace(
                wish,
                task=parent.task,
                options=parent.options,
                match_colours=parent.match_colours,
                steps=steps,
                strength=strength,
            )
            return anew.fresh(policy, model)

        return change

    async def record(
        self, origin: Origin, order: Order, *, thread_of: int | None
    ) -> tuple[Job, bool]:
        """Checks what needs no picture, then writes the row; False: the event was a replay.

        thread_of: the channel that the origin's is a thread of. Raises Refused, RequestError.
        """
        await asyncio.to_thread(self._catalog.check, order.recipe)
        await self._service.prepare(
            origin.guild_id, origin.channel_id, order.recipe, thread_of=thread_of
        )
        return await self._service.receive(
            recipe=order.recipe,
            origin=origin,
            parent_id=order.parent_id,
            source_url=order.source_url,
            source=order.source,
            second_url=order.second_url,
            second=order.second,
        )

    async def submit(self, job: Job) -> str | None:
        """From RECEIVED to QUEUED. Otherwise the row ends, and why is returned for the member.

        Call `settle` with what came of telling it. None also where the job was cancelled meanwhile.
        """
        try:
            source, second = await stored_pictures(job, self._intake)
            await self._service.submit(job.id, source, second)
        except Exception as error:  # whatever it is: the row must end and the member be told
            text = explain(error, doing=f"job {job.id}")
            # One that was refused has ended already, and of a cancelled one Delivery tells.
            ended = await self._service.fail(job.id, text=text)
            return None if ended.status is JobStatus.CANCELLED else text
        return None

    async def settle(self, job: Job, *, told: bool) -> None:
        """After a refusal: the member was told privately, or Delivery tells it in the channel."""
        if told:
            await self._service.mark_delivered(job.id, None)
        else:
            self._service.events.publish(JobFinished(job_id=job.id))

    @contextlib.contextmanager
    def held(self, job: Job) -> Iterator[None]:
        """Around what is done with a RECEIVED job: where that fails the job is given up.

        Left as it is, the next run would go on with it, however long after.
        """
        try:
            yield
        except Exception:
            self.abandon(job, "It could not be gone on with.")
            raise

    def abandon(self, job: Job, why: str) -> None:
        """Ends a RECEIVED job of which nobody expects anything, as soon as the database can."""
        log.info("Job %s is given up: %s", job.id, why)
        self.underway.begin(self._end(job, why))

    async def _end(self, job: Job, why: str) -> None:
        while True:
            try:
                await self._service.fail(job.id, text=why, abandoned=True)
            except DatabaseUnavailable as error:
                log.warning("Job %s cannot be given up yet: %s", job.id, error)
                await asyncio.sleep(ASKED_AGAIN)
            else:
                break

    async def _ask(
        self,
        interaction: discord.Interaction[Any],
        order: Callable[[], Awaitable[Order]],
        origin: Origin,
    ) -> None:
        async def record() -> tuple[Job, bool]:
            thread_of = parent_of(interaction.channel)
            return await self.record(origin, await order(), thread_of=thread_of)

        with self.underway.here():
            with self._rush.answering():
                job, created = await in_time(interaction, record())
                if not created:
                    return
                with self.held(job):
                    message_id = await defer(interaction)
            if message_id is None:
                self.abandon(job, "It was not acknowledged in time.")
                return
            await self._rush.over()
            with self.held(job):
                if not await self._service.set_message(job.id, message_id):
                    await take_back(interaction, message_id)  # the job was cancelled meanwhile
                    return
                refusal = await self.submit(job)
            if refusal is not None:
                await self.settle(job, told=await say(interaction, refusal))

    # ------------------------------------------------------------ acting on a job

    async def job_here(self, interaction: discord.Interaction[Any], job_id: int) -> Job:
        """A job of this guild. Raises Gone, also for a job of another guild."""
        job = await self._service.get(job_id)
        if job.origin.guild_id != interaction.guild_id:
            raise Gone(f"There is no job #{job_id} on this server.")
        return job

    async def policy_here(self, interaction: discord.Interaction[Any]) -> GuildPolicy:
        """What this guild allows."""
        return await self._service.policy(guild_of(interaction))

    async def cancel(self, interaction: discord.Interaction[Any], job_id: int) -> Job:
        """Cancels a job that waits or runs. Raises UserError."""
        await self.job_here(interaction, job_id)
        return await self._service.cancel(job_id, actor_of(interaction))

    async def delete(self, interaction: discord.Interaction[Any], job_id: int) -> Job:
        """Gives a job's pictures up; its message is the caller's to remove. Raises UserError."""
        await self.job_here(interaction, job_id)
        return await self._service.delete(job_id, actor_of(interaction))

    async def usable(self, interaction: discord.Interaction[Any], job_id: int) -> Job:
        """A job of this guild whose buttons this member may press. Raises UserError."""
        job = await self.job_here(interaction, job_id)
        await self._service.may_use(job, actor_of(interaction))
        return job


def actor_of(interaction: discord.Interaction[Any]) -> Actor:
    """Who acts, with the permissions that Discord computed for this channel."""
    return Actor(
        user_id=interaction.user.id,
        manages_messages=interaction.permissions.manage_messages,
    )


def origin_of(
    interaction: discord.Interaction[Any], kind: OriginKind, reply_to: int | None = None
) -> Origin:
    """Where a job comes from and how long its interaction can be answered."""
    if interaction.channel_id is None:
        raise Gone("This channel is no longer there.")
    return Origin(
        kind=kind,
        guild_id=guild_of(interaction),
        channel_id=interaction.channel_id,
        user_id=interaction.user.id,
        interaction_id=interaction.id,
        application_id=interaction.application_id,
        interaction_token=interaction.token,
        token_expires_at=interaction.expires_at,
        reply_to=reply_to,
        upload_limit=interaction.filesize_limit,
    )


def parent_of(channel: object) -> int | None:
    """The channel that a thread or a forum's post belongs to; None for any other channel."""
    return channel.parent_id if isinstance(channel, discord.Thread) else None


def guild_of(interaction: discord.Interaction[Any]) -> int:
    """The guild's id. Raises UserError outside of a guild."""
    if interaction.guild_id is None:
        raise UserError("This works only in a server, not in private messages.")
    return interaction.guild_id
