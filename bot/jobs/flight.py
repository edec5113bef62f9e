"""One attempt at one job, from the claim to whatever it came to."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from bot.errors import UserError
from bot.jobs.events import EventBus, JobEvent, JobFinished, JobProgressed, JobQueued, JobStarted
from bot.model import IllegalMove, Job, JobStatus
from bot.storage.database import DatabaseUnavailable
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from inference.errors import (
    ExecutorLost,
    GenerationCancelled,
    ModelError,
    OutOfMemory,
    RequestError,
)
from inference.executors.base import Executor, ExecutorState
from inference.result import GenerationResult, Progress
from inference.stamps import stamped

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_SECONDS = 2.0
"""Between two tries while the database cannot be used."""

_FAULT = "The picture could not be made because of an error in the bot, not in what was asked."


def gave_up(attempts: int) -> str:
    """What a member is told of a job under which the engine stopped too often."""
    times = "time" if attempts == 1 else "times"
    return f"Given up: the engine stopped {attempts} {times} before the picture was done."


class Flight:
    """A RUNNING job in the executor's hands; `launch` it once.

    job: as it was claimed. max_attempts: the attempt after which a lost engine is the end.
    """

    def __init__(
        self,
        job: Job,
        *,
        jobs: JobStore,
        images: ImageStore,
        executor: Executor,
        events: EventBus,
        max_attempts: int,
    ) -> None:
        self._job = job
        self._jobs = jobs
        self._images = images
        self._executor = executor
        self._events = events
        self._max_attempts = max_attempts
        self._done = 0.0
        self._cancelled = False
        self._landing = asyncio.Event()
        self._generation: asyncio.Task[GenerationResult] | None = None

    def launch(self) -> asyncio.Task[None]:
        """Begins; the task ends when the row has left RUNNING and the event is published.

        It outlasts a database that cannot be used. Once the bot is stopping it does not, and
        raises DatabaseUnavailable: the row stays RUNNING, for the next start.
        """
        self._generation = asyncio.create_task(self._generate())
        return asyncio.create_task(self._fly(self._generation), name=f"job {self._job.id}")

    def cancel(self) -> None:
        """The row is CANCELLED: stop the generation."""
        self._cancelled = True
        self._stop()

    def land(self) -> None:
        """The bot is stopping: the job goes back to the queue unless it is being stored."""
        self._landing.set()
        self._stop()

    def _stop(self) -> None:
        if self._generation is not None:
            self._generation.cancel()

    async def _fly(self, generation: asyncio.Task[GenerationResult]) -> None:
        self._events.publish(JobStarted(job_id=self._job.id))
        try:
            event = await self._outcome(generation)
        except IllegalMove:  # only a cancellation takes a row out of RUNNING under our hands
            await self._patiently(partial(self._jobs.charge, self._job.id, self._spent))
            return
        self._events.publish(event)

    async def _generate(self) -> GenerationResult:
        # Whoever cancelled before this flight was known of has only written the row.
        job = await self._patiently(partial(self._jobs.get, self._job.id))
        if job.status is not JobStatus.RUNNING:
            raise GenerationCancelled
        pictures = [
            None if sha is None else await self._images.get(sha)
            for sha in (self._job.source, self._job.second)
        ]
        request = self._job.recipe.with_picture(*pictures)
        return await self._executor.generate(self._job.id, request, self._progress)

    def _progress(self, progress: Progress) -> None:
        self._done = progress.step / progress.steps if progress.steps else 0.0
        self._events.publish(JobProgressed(job_id=self._job.id, progress=progress))

    @property
    def _spent(self) -> float:
        return self._job.cost * self._done

    async def _outcome(self, generation: asyncio.Task[GenerationResult]) -> JobEvent:
        """Runs the job and moves its row. Raises IllegalMove where the row was cancelled."""
        try:
            result = await generation
            self._done = 1.0
            return await self._store(result)
        except (asyncio.CancelledError, GenerationCancelled) as error:
            stopping = isinstance(error, asyncio.CancelledError) and not self._cancelled
            return await (self._requeue(counts=False) if stopping else self._cancel())
        except ExecutorLost as error:
            return await self._lost(error)
        except (RequestError, UserError) as error:
            return await self._fail(str(error))
        except ModelError as error:
            model = self._job.recipe.model
            return await self._fail(f"The model “{model}” could not be loaded.", error)
        except (IllegalMove, DatabaseUnavailable):
            raise
        except Exception as error:  # one job's trouble, whatever it is, must not stop the others
            return await self._fail(_FAULT, error)

    async def _store(self, result: GenerationResult) -> JobEvent:
        hashes = [
            await self._patiently(
                partial(
                    self._images.put,
                    stamped(image, self._job.recipe.single(index), result),
                    role="result",
                    width=image.width,
                    height=image.height,
                )
            )
            for index, image in enumerate(result.images)
        ]
        await self._patiently(partial(self._jobs.finish, self._job.id, results=hashes, run=result))
        return JobFinished(job_id=self._job.id)

    async def _cancel(self) -> JobEvent:
        """The executor stopped it; mostly the row says so already, then this is IllegalMove."""
        await self._patiently(partial(self._jobs.cancel, self._job.id))
        await self._patiently(partial(self._jobs.charge, self._job.id, self._spent))
        return JobFinished(job_id=self._job.id)

    async def _lost(self, error: ExecutorLost) -> JobEvent:
        if self._executor.state is ExecutorState.CLOSED:
            return await self._requeue(counts=False)
        attempts = self._job.attempts
        log.warning(
            "The engine was lost under job %d, attempt %d: %s", self._job.id, attempts, error
        )
        if attempts < self._max_attempts:
            return await self._requeue(counts=True)
        text = gave_up(attempts)
        if isinstance(error, OutOfMemory):
            text += " The last time its memory ran out; fewer pictures at once may work."
        return await self._fail(text, error)

    async def _requeue(self, *, counts: bool) -> JobEvent:
        await self._patiently(
            partial(self._jobs.requeue, self._job.id, spent=self._spent, count_attempt=counts)
        )
        return JobQueued(job_id=self._job.id)

    async def _fail(self, text: str, error: Exception | None = None) -> JobEvent:
        """error: what the owner should find in the log under a reference."""
        reference = None
        if error is not None:
            reference = secrets.token_hex(4)
            log.error("Reference %s: job %d failed", reference, self._job.id, exc_info=error)
        await self._patiently(
            partial(
                self._jobs.fail, self._job.id, text=text, reference=reference, spent=self._spent
            )
        )
        return JobFinished(job_id=self._job.id)

    async def _patiently(self, use: Callable[[], Awaitable[T]]) -> T:
        """What `use` of the stores gives, tried again while the database cannot be used.

        Nobody else would write this row before the next start.
        """
        while True:
            try:
                return await use()
            except DatabaseUnavailable as error:
                if self._landing.is_set():
                    raise
                log.warning("Job %d waits for the database: %s", self._job.id, error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._landing.wait()
