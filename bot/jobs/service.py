"""Everything that a user interface may do to a job."""

import asyncio
import functools
from dataclasses import dataclass

from bot.errors import Gone, NotPermitted, Refused, UserError
from bot.jobs import policy as rules
from bot.jobs.events import EventBus, JobFinished, JobQueued
from bot.jobs.policy import Usage
from bot.jobs.queue import Queue, QueuePlace
from bot.model import DeliveryState, GuildPolicy, IllegalMove, Job, JobStatus, Origin
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from bot.storage.outbox import Outbox
from bot.storage.policies import PolicyStore
from bot.storage.usage import Load
from inference.catalog import Catalog
from inference.errors import RequestError
from inference.request import Recipe

__all__ = ["Actor", "JobService", "QueuePlace", "Usage"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """A member who acts on a job, with the permissions that Discord computed."""

    user_id: int
    manages_messages: bool


class JobService:
    """Records, admits, shows and ends jobs; the Dispatcher runs them.

    Methods that take a job id raise Gone where there is no such job.
    """

    def __init__(
        self,
        *,
        jobs: JobStore,
        outbox: Outbox,
        queue: Queue,
        policies: PolicyStore,
        images: ImageStore,
        catalog: Catalog,
        events: EventBus,
    ) -> None:
        self.events = events
        self._jobs = jobs
        self._outbox = outbox
        self._queue = queue
        self._policies = policies
        self._images = images
        self._catalog = catalog

    # ------------------------------------------------------------ asking for a job

    async def prepare(
        self, guild_id: int, channel_id: int, recipe: Recipe, *, thread_of: int | None = None
    ) -> None:
        """What can be refused without a look at the job log: channel and ranges. Raises Refused.

        thread_of: the channel whose thread this channel is.
        """
        policy = await self._policies.get(guild_id)
        rules.check_channel(policy, channel_id, thread_of=thread_of)
        rules.check_recipe(policy, recipe)

    async def receive(
        self,
        *,
        recipe: Recipe,
        origin: Origin,
        parent_id: int | None = None,
        source_url: str | None = None,
        source: str | None = None,
        second_url: str | None = None,
        second: str | None = None,
    ) -> tuple[Job, bool]:
        """Records the job before it is acknowledged; False for an interaction known already.

        source_url: of the attachment to fetch; or source: hash of a stored picture. Likewise the
        second picture, see `Job`.

        Raises QueueFull where the member or the guild has as many jobs as it may have; none is
        recorded then, and no picture need be fetched for it.
        """
        policy = await self._policies.get(origin.guild_id)
        return await self._jobs.receive(
            recipe=recipe,
            origin=origin,
            parent_id=parent_id,
            source_url=source_url,
            source=source,
            second_url=second_url,
            second=second,
            admit=functools.partial(rules.check_queue, policy),
        )

    async def submit(self, job_id: int, source: str | None, second: str | None = None) -> Job:
        """Puts a RECEIVED job in the queue; source, second: hashes of its stored pictures.

        A job that was cancelled in the meantime is returned as it is. Raises Refused (RateLimited
        among them) or Gone; the job is then REFUSED with that text. Whoever called tells the
        member and marks it delivered; there is no event, but should the bot stop before that, the
        job is among the undelivered. The channel is not asked again after `prepare`, nor the
        queue's limits after `receive`.
        """
        job = await self._jobs.get(job_id)
        try:
            return await self._admit(job, source, second)
        except (Refused, Gone) as error:
            try:
                await self._jobs.refuse(job_id, text=str(error))
            except IllegalMove:
                return await self._jobs.get(job_id)
            raise
        except IllegalMove:
            return await self._jobs.get(job_id)

    async def _admit(self, job: Job, source: str | None, second: str | None) -> Job:
        recipe, origin = job.recipe, job.origin
        policy = await self._policies.get(origin.guild_id)
        rules.check_recipe(policy, recipe)
        width, height, budget = await self._size(recipe, source)

        def price(wanted: Recipe) -> float:
            return wanted.cost(*wanted.painted(width, height, budget))

        def admit(load: Load) -> None:
            rules.admit(policy, load, recipe=recipe, price=price)

        queued = await self._jobs.enqueue(
            job.id,
            source=source,
            second=second,
            width=width,
            height=height,
            cost=price(recipe),
            window=rules.window(policy),
            admit=admit,
        )
        self.events.publish(JobQueued(job_id=job.id))
        return queued

    async def _size(self, recipe: Recipe, source: str | None) -> tuple[int, int, int]:
        """Width and height of the pictures to come; the model's budget. Raises Refused, Gone."""
        picture = None if source is None else await self._images.info(source)
        try:
            model = await asyncio.to_thread(self._catalog.find, recipe.model)
            shape = None if picture is None else (picture.width, picture.height)
            return *recipe.size(shape, model.pixel_budget), model.pixel_budget
        except RequestError as error:
            raise Refused(str(error)) from error

    async def fail(
        self, job_id: int, *, text: str, reference: str | None = None, abandoned: bool = False
    ) -> Job:
        """Ends a job with a text for the member; one that ended otherwise is returned as it is.

        reference: under which the owner finds more in the log.
        abandoned: nobody can or need be told: nothing is delivered and there is no event.
        """
        delivery = DeliveryState.ABANDONED if abandoned else DeliveryState.PENDING
        try:
            job = await self._jobs.fail(job_id, text=text, reference=reference, delivery=delivery)
        except IllegalMove:
            return await self._jobs.get(job_id)
        if not abandoned:
            self.events.publish(JobFinished(job_id=job_id))
        return job

    async def made(self, guild_id: int, sha: str) -> Job | None:
        """The newest job of the guild that made this picture, or None."""
        return await self._jobs.made(guild_id, sha)

    # ------------------------------------------------------------ acting on a job

    async def get(self, job_id: int) -> Job:
        """The job as it is now."""
        return await self._jobs.get(job_id)

    async def may_use(self, job: Job, actor: Actor) -> None:
        """Raises NotPermitted where the guild keeps a card's buttons to who asked for it."""
        if job.origin.user_id == actor.user_id:
            return
        if not (await self._policies.get(job.origin.guild_id)).open_buttons:
            raise NotPermitted(
                f"These buttons are for <@{job.origin.user_id}>, who asked for the picture; "
                "react with 🎲 to make your own."
            )

    async def cancel(self, job_id: int, actor: Actor) -> Job:
        """Ends a job that is not finished; a running one stops before its next step.

        Raises NotPermitted except for who asked and who manages messages, and UserError where
        the job is finished already.
        """
        _check_owner(await self._jobs.get(job_id), actor, "cancel it")
        try:
            job = await self._jobs.cancel(job_id)
        except IllegalMove as error:
            status = (await self._jobs.get(job_id)).status
            if status is JobStatus.CANCELLED:
                raise UserError(f"Job #{job_id} is cancelled already.") from error
            raise UserError(f"Job #{job_id} is finished; there is nothing to cancel.") from error
        self.events.publish(JobFinished(job_id=job_id))
        return job

    async def delete(self, job_id: int, actor: Actor) -> Job:
        """Lets go of a finished job's pictures; the message is the caller's to remove.

        Raises NotPermitted except for who asked and who manages messages, and UserError while
        the job is not finished.
        """
        job = await self._jobs.get(job_id)
        _check_owner(job, actor, "delete it")
        if not job.status.finished:
            raise UserError(f"Job #{job_id} is not finished; cancel it first.")
        return await self._jobs.delete(job_id)

    # ------------------------------------------------------------ looking at the queue

    async def place(self, job_id: int) -> QueuePlace | None:
        """The job's place in the line of the whole bot; None where it does not wait."""
        return await self._queue.place(job_id)

    async def waiting(self, guild_id: int) -> list[Job]:
        """The guild's jobs that are not finished, as in `Queue.of_guild`."""
        return await self._queue.of_guild(guild_id)

    async def preview_usage(self, guild_id: int, user_id: int) -> Usage:
        """What the member and the guild used of their budgets in the current window."""
        policy = await self._policies.get(guild_id)
        load = await self._jobs.load(guild_id, user_id, rules.window(policy))
        return rules.usage(policy, load)

    async def policy(self, guild_id: int) -> GuildPolicy:
        """What the guild allows."""
        return await self._policies.get(guild_id)

    async def set_policy(self, policy: GuildPolicy) -> None:
        """Stores what the guild allows. Raises Refused where it could not be kept."""
        rules.check_policy(policy)
        await self._policies.put(policy)

    # ------------------------------------------------------------ delivery

    async def received(self) -> list[Job]:
        """Jobs whose picture is not here yet, oldest first."""
        return await self._outbox.received()

    async def queued(self) -> list[Job]:
        """Jobs that wait to be run, in all guilds, oldest first."""
        return await self._outbox.queued()

    async def undelivered(self) -> list[Job]:
        """Finished jobs of which the member does not know yet, oldest first."""
        return await self._outbox.undelivered()

    async def set_message(self, job_id: int, message_id: int) -> bool:
        """Remembers the placeholder's message; False where the job is finished, as in `Outbox`."""
        return await self._outbox.set_message(job_id, message_id)

    async def mark_delivered(
        self, job_id: int, message_id: int | None, *, abandoned: bool = False
    ) -> None:
        """The member knows how a finished job ended, or (abandoned) can never be told.

        message_id: of the card; None keeps the placeholder's. A second time changes nothing.
        Raises IllegalMove while the job is not finished.
        """
        await self._outbox.mark_delivered(job_id, message_id, abandoned=abandoned)


def _check_owner(job: Job, actor: Actor, act: str) -> None:
    if job.origin.user_id != actor.user_id and not actor.manages_messages:
        raise NotPermitted(
            f"Only <@{job.origin.user_id}>, who asked for it, or somebody who may manage messages "
            f"can {act}."
        )
