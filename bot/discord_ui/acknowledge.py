"""Answering Discord within its 3 seconds, and finding out later whether that worked."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar, cast

import aiohttp
import discord

from bot.discord_ui.translate import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION
from bot.model import Job

log = logging.getLogger(__name__)

PATIENCE = 1.5
"""Seconds that the database may take before an interaction is deferred regardless."""

ASKED_AGAIN = 5.0
"""Seconds until something is tried again that Discord or the database could not do."""

LONGEST_RUSH = 3.0
"""Seconds that other work waits for members to be answered; longer none of them waits either."""

T = TypeVar("T")


class Rush:
    """Lets what has time wait while members have not been answered.

    In a burst everything at once would be done evenly, and be late for the last ones.
    """

    def __init__(self) -> None:
        self._unanswered = 0
        self._calm = asyncio.Event()
        self._calm.set()

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Around what leads to an answer."""
        self._unanswered += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._unanswered -= 1
            if not self._unanswered:
                self._calm.set()

    async def over(self) -> None:
        """Returns when everybody is answered, at the latest after LONGEST_RUSH."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_RUSH):
                await self._calm.wait()


async def in_time(
    interaction: discord.Interaction[Any],
    work: Coroutine[Any, Any, T],
    *,
    update: bool = False,
    ephemeral: bool = False,
) -> T:
    """The result of `work`. If it takes longer than PATIENCE the interaction is deferred meanwhile.

    Where that fails the work goes on all the same: a row that it writes must have somebody who
    knows of it. Whoever answers next learns what became of the interaction.

    update: that deferral shows nothing, for a button whose card will change.
    ephemeral: that deferral, and with it the later answer, is private.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if not done and not interaction.response.is_done():
            log.warning("Interaction %s takes long; deferred before its outcome", interaction.id)
            try:
                await interaction.response.defer(thinking=not update, ephemeral=ephemeral)
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                log.warning("Interaction %s could not be deferred: %r", interaction.id, error)
        return await task
    finally:
        task.cancel()


async def defer(interaction: discord.Interaction[Any]) -> int | None:
    """Acknowledges with a public "thinking…" message, unless that was done, and returns its id.

    None: Discord no longer waits for this interaction, so that nobody expects anything of it.
    An acknowledgement whose answer was lost on the way is looked up, until Discord can be reached.

    Raises discord.HTTPException where Discord refuses it.
    """
    if not interaction.response.is_done():
        try:
            answer = await interaction.response.defer(thinking=True)
        except discord.HTTPException as error:
            if error.code == UNKNOWN_INTERACTION:
                log.warning("Interaction %s was acknowledged too late", interaction.id)
                return None
            if error.code != ALREADY_ACKNOWLEDGED and not passing(error):
                raise
        except (aiohttp.ClientError, OSError) as error:
            log.warning("Deferring %s was cut short (%r); looking it up", interaction.id, error)
        else:
            if answer is not None and answer.message_id is not None:
                return answer.message_id
    while not interaction.is_expired():
        try:
            return (await interaction.original_response()).id
        except discord.NotFound:
            return None
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            if not passing(error):
                raise
            log.warning("Whether %s was acknowledged is not known yet: %r", interaction.id, error)
        await asyncio.sleep(ASKED_AGAIN)
    return None


async def take_back(interaction: discord.Interaction[Any], message_id: int) -> None:
    """Takes a "thinking…" message away that nobody will answer; what it became meanwhile stays.

    Never raises for a lost interaction.
    """
    try:
        message = await interaction.followup.fetch_message(message_id)
        if message.flags.loading:
            await message.delete()
    except (discord.HTTPException, aiohttp.ClientError, OSError) as lost:
        log.info("The answer to %s is not taken back: %r", interaction.id, lost)


def passing(error: Exception) -> bool:
    """Whether Discord, the network or the database only fails now; it may be done all the same."""
    if isinstance(error, discord.HTTPException):
        return error.status == 429 or error.status >= 500
    return isinstance(error, aiohttp.ClientError | OSError)


async def placeholder_of(client: discord.Client, job: Job) -> int | None:
    """The message that acknowledged a job, asked from Discord; None if there is none (any more).

    For jobs of an interaction whose token may still live. Raises discord.HTTPException other
    than NotFound, e.g. when the token has expired.
    """
    origin = job.origin
    assert origin.application_id is not None
    assert origin.interaction_token is not None
    # A webhook, because the client itself would log the address, with the token, on a 429.
    webhook = discord.Webhook.partial(
        origin.application_id, origin.interaction_token, client=client
    )
    try:
        return (await webhook.fetch_message(cast(int, "@original"))).id
    except discord.NotFound:
        return None
