"""Delivers how a job ended, exactly once.

The placeholder is edited, which may happen twice without harm; or else a message is posted, before
which it is looked up whether an earlier attempt has arrived after all. Only then is the row marked.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from discord import ui

from bot.discord_ui import cards
from bot.discord_ui.buttons import Action
from bot.discord_ui.lanes import Lanes
from bot.discord_ui.onward import Onward
from bot.discord_ui.outbox import (
    MAY_NOT_ATTACH,
    Expired,
    Later,
    NoFiles,
    Outbox,
    Rejected,
    TooLarge,
    Unreachable,
)
from bot.discord_ui.translate import no_fault_of_yours
from bot.discord_ui.uploads import Packer, Upload
from bot.errors import BadPicture, Gone
from bot.jobs.service import JobService
from bot.model import DeliveryState, GuildPolicy, Job, JobStatus

log = logging.getLogger(__name__)

AT_ONCE, AT_ONCE_IN_CHANNEL = 16, 2
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0

FINISHED = f"The picture is finished, but {MAY_NOT_ATTACH}, then press the first button below."


@dataclass(slots=True)
class _Attempt:
    """What one delivery has learned so far.

    limit: bytes per file; text: what to say in place of the pictures, once they cannot be sent;
    rejected: whether Discord finds the card wrong; suspect: whether an earlier attempt may have
    arrived.
    """

    limit: int
    suspect: bool
    text: str | None = None
    rejected: bool = False
    failures: int = 0


class Courier:
    """Delivers ended jobs and marks their rows. Bounded in all and per channel."""

    def __init__(
        self, *, service: JobService, outbox: Outbox, packer: Packer, onward: Onward
    ) -> None:
        self._service = service
        self._outbox = outbox
        self._packer = packer
        self._onward = onward
        self._lanes = Lanes(total=AT_ONCE, each=AT_ONCE_IN_CHANNEL)

    async def deliver(self, job: Job, *, suspect: bool) -> None:
        """Tries until the channel shows how the job ended, or it is certain that it never will.

        suspect: whether an earlier attempt may have arrived, for example before a restart.
        """
        state = _Attempt(limit=job.origin.upload_limit, suspect=suspect)
        while job.delivery is DeliveryState.PENDING and not await self._settled(job, state):
            # Outside of the lanes, so that whoever waits for Discord holds up nobody.
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(state.failures, 10))
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            job = await self._service.get(job.id)  # it may have been deleted meanwhile

    async def _settled(self, job: Job, state: _Attempt) -> bool:
        """One attempt, repeated at once where it must only be made in another way."""
        async with self._lanes.hold(job.origin.channel_id):
            while True:
                try:
                    await self._attempt(job, state)
                except TooLarge:
                    state.limit //= 2
                except NoFiles:
                    state.text = FINISHED
                except Rejected as error:
                    if state.rejected:
                        return await self._abandon(job, error)
                    state.rejected = True
                    state.text = _reference(job, error)
                except Later as error:
                    log.warning("Delivery of job %s is put off: %s", job.id, error)
                    state.failures += 1
                    state.suspect = True
                    return False
                except Unreachable as error:
                    return await self._abandon(job, error)
                else:
                    return True

    async def _attempt(self, job: Job, state: _Attempt) -> None:
        view, files = await self._card(job, state)
        try:
            message_id = await self._outbox.edit(job, view, files)
        except Expired as error:
            log.info("Job %s is answered by a post: %s", job.id, error)
        else:
            await self._service.mark_delivered(job.id, message_id)
            return
        found = await self._outbox.find(job) if state.suspect else None
        message_id = found or await self._outbox.post(job, view, files)
        if message_id != job.message_id:
            # Before the mark: who dies in between finds the card at the next start, and comes by
            # here again. Nobody would come back to a placeholder that waits for ever.
            await self._outbox.retire(job, cards.moved(job, message_id))
        await self._service.mark_delivered(job.id, message_id)

    async def _card(self, job: Job, state: _Attempt) -> tuple[ui.LayoutView, tuple[Upload, ...]]:
        if state.text is None and job.status is JobStatus.SUCCEEDED:
            try:
                policy = await self._service.policy(job.origin.guild_id)
                parcel = await self._packer.pack(
                    job, limit=state.limit, parameters=policy.parameters
                )
            except (Gone, BadPicture) as error:
                state.text = str(error)
            else:
                return cards.result(job, parcel, await self._refused(job, policy)), parcel.files
        if state.text is not None:
            return cards.words(job, state.text, quoting=not state.rejected), ()
        if job.status is JobStatus.CANCELLED:
            return cards.cancelled(job), ()
        return cards.failed(job), ()

    async def _refused(self, job: Job, policy: GuildPolicy) -> Collection[Action]:
        """The buttons to leave out; all are offered where that cannot be known."""
        try:
            return await asyncio.to_thread(self._onward.refused, job, policy)
        except Exception:  # a hint, for which nobody's pictures may wait
            log.exception("Which buttons of job %s could only refuse is not known", job.id)
            return ()

    async def _abandon(self, job: Job, error: Exception) -> bool:
        log.error("Job %s can be told to nobody: %s", job.id, error)
        await self._service.mark_delivered(job.id, None, abandoned=True)
        return True


def _reference(job: Job, error: Exception) -> str:
    reference = secrets.token_hex(4)
    log.error("Reference %s: Discord rejects the card of job %s: %s", reference, job.id, error)
    return no_fault_of_yours(reference)
