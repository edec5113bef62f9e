"""What happens to jobs, told to whoever listens. Events are hints: the job row is the truth."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inference.result import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEvent:
    """Something happened to a job; read the row for its state."""

    job_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class JobQueued(JobEvent):
    """It waits (again)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStarted(JobEvent):
    """An executor has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobProgressed(JobEvent):
    """A step is done; only the newest of a job matters."""

    progress: Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFinished(JobEvent):
    """It reached a state that no move leads out of, and its delivery is PENDING."""


class EventBus:
    """Fan-out inside one event loop. A slow listener loses no event but only keeps the newest
    progress of each job, so its backlog is bounded by the number of live jobs."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()

    def publish(self, event: JobEvent) -> None:
        """Hands the event to every listener; never blocks."""
        for listener in self._listeners:
            listener.put(event)

    async def listen(self) -> AsyncIterator[JobEvent]:
        """Yields every event published from the first `__anext__` until the iterator is closed."""
        with self.subscribe() as events:
            async for event in events:
                yield event

    @contextmanager
    def subscribe(self) -> Iterator[AsyncIterator[JobEvent]]:
        """An iterator over every event published from now until the block is left.

        For who must hear of what happens while they read the rows first.
        """
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)


class _Listener(AsyncIterator[JobEvent]):
    """An ordered backlog in which a job's progress replaces its older progress."""

    def __init__(self) -> None:
        self._backlog: dict[object, JobEvent] = {}
        self._waiting = asyncio.Event()

    def put(self, event: JobEvent) -> None:
        key = event.job_id if isinstance(event, JobProgressed) else object()
        self._backlog[key] = event
        self._waiting.set()

    def __aiter__(self) -> AsyncIterator[JobEvent]:
        return self

    async def __anext__(self) -> JobEvent:
        while not self._backlog:
            self._waiting.clear()
            await self._waiting.wait()
        return self._backlog.pop(next(iter(self._backlog)))
