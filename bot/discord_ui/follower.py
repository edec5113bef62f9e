"""Follows one unfinished job: its placeholder shows the place in line, then the progress."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from discord import ui

from bot.discord_ui import cards
from bot.discord_ui.outbox import Expired, NoFiles, NotSent, Outbox
from bot.discord_ui.progress import Pace
from bot.discord_ui.uploads import Upload
from bot.jobs.service import JobService
from bot.model import Job, JobStatus
from inference.result import Progress

log = logging.getLogger(__name__)

SETTLING = 0.5
"""Seconds before the first edit: what is done by then, or has begun, is shown as that at once."""

EDIT_SECONDS = 5.0
"""An edit of a placeholder may take so long. It is not worth more: the next one tells the same,
and the finished job must not wait for it."""

SLOWEST = 120.0
"""Seconds after which a move is told even at the far end of the line."""


class Follower:
    """Edits one placeholder, never twice within `every` seconds, never after `finish`.

    room: shared by all followers; bounds their edits under way.
    clock: monotonic, seconds.
    """

    def __init__(
        self,
        job_id: int,
        *,
        service: JobService,
        outbox: Outbox,
        room: asyncio.Semaphore,
        every: float,
        clock: Callable[[], float],
    ) -> None:
        self.job_id = job_id
        self.waits = False
        self._service = service
        self._outbox = outbox
        self._room = room
        self._every = every
        self._clock = clock
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._over = asyncio.Event()
        self._editing = asyncio.Lock()
        self._pace = Pace(clock)
        self._progress: Progress | None = None
        self._preview: bytes | None = None
        self._may_attach = True
        self._shown: tuple[list[dict[str, Any]], bytes | None] | None = None

    def advance(self, progress: Progress) -> None:
        """Takes the newest progress."""
        self._pace.note(progress)
        self._progress = progress
        self._preview = progress.preview or self._preview
        self._tell()

    def restart(self) -> None:
        """The job waits again, or begins: what was known of its progress is void."""
        self._pace = Pace(self._clock)
        self._progress = self._preview = None
        self._tell()

    def look(self) -> None:
        """Something moved in the queue: the place in line may be another."""
        if self.waits:
            self._news.set()

    async def finish(self) -> None:
        """Returns when no edit is under way; none begins after this."""
        self._end()
        async with self._editing:
            pass

    def _end(self) -> None:
        self._over.set()
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._urgent.set()

    async def run(self) -> None:
        """Edits until the job is finished. Raises Gone.

        A placeholder that cannot be edited any more is left alone.
        """
        pause, slack = SETTLING, 0.0
        while not await _set_within(self._over, pause):
            await self._news.wait()
            await _set_within(self._urgent, slack)
            self._news.clear()
            self._urgent.clear()
            if not self._over.is_set():
                slack = await self._show(await self._service.get(self.job_id))
            pause = self._every

    async def _show(self, job: Job) -> float:
        """One edit where there is something new; how much longer a move in line need not be told.

        Far back in line a place more or less is no news.
        """
        self.waits = job.status is JobStatus.QUEUED
        files: list[Upload] = []
        slack = 0.0
        if job.status is JobStatus.QUEUED:
            place = await self._service.place(job.id)
            view = cards.waiting(job, place)
            if place is not None:
                slack = max(0.0, min(float(place.position), SLOWEST) - self._every)
        elif job.status is JobStatus.RUNNING:
            left = self._pace.left()
            if left is not None and left < self._every:
                return slack  # the finished card comes sooner than another edit may
            files = self._preview_of(job)
            name = files[0].name if files else None
            view = cards.running(job, self._progress, left=left, preview=name)
        else:
            if job.status.finished:
                self._end()
            return slack
        await self._edit(job, view, files)
        return slack

    async def _edit(self, job: Job, view: ui.LayoutView, files: list[Upload]) -> None:
        components = view.to_components()  # type: ignore[no-untyped-call]
        shown = (components, files[0].data if files else None)
        if shown == self._shown:
            return
        try:
            async with self._room, self._editing:
                if self._over.is_set():
                    return
                async with asyncio.timeout(EDIT_SECONDS):
                    message_id = await self._outbox.edit(job, view, files)
        except Expired as error:
            log.debug("The placeholder of job %s is out of reach: %s", job.id, error)
            await self._over.wait()
        except NoFiles:
            self._may_attach = False
            self._news.set()
        except (NotSent, TimeoutError) as error:
            log.info("Progress of job %s is not shown this time: %r", job.id, error)
        else:
            self._shown = shown
            if job.message_id is None:
                await self._service.set_message(job.id, message_id)

    def _preview_of(self, job: Job) -> list[Upload]:
        if self._preview is None or self._progress is None or not self._may_attach:
            return []
        name = f"preview-{job.id}-{self._progress.step}.jpg"
        return [Upload(name=name, data=self._preview, alt="The picture so far")]


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
