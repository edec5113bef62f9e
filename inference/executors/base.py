"""What the bot asks of whatever makes pictures. The one Protocol: the real thing is expensive."""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress


class ExecutorState(Enum):
    """Where an executor is in its life."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    CLOSED = "closed"


class Executor(Protocol):
    """Runs requests, several at once. Methods are called from one event loop and never block it."""

    @property
    def state(self) -> ExecutorState:
        """LOADING until the default model is in memory; FAILED when it cannot be loaded."""

    @property
    def problem(self) -> str | None:
        """For the owner's log and pages: why the state is FAILED, or why a dead process is
        being replaced; None when there is nothing to tell."""

    @property
    def capacity(self) -> int:
        """Jobs worth having in flight at once; more would only wait inside."""

    async def start(self) -> None:
        """Begins to start and load in the background; returns at once."""

    async def generate(
        self, job_id: int, request: GenerationRequest, on_progress: Callable[[Progress], None]
    ) -> GenerationResult:
        """Runs one request, waiting first for the model to be loaded.

        Raises RequestError, GenerationCancelled, ExecutorLost (run it again; OutOfMemory
        among them) or ModelError. If the awaiting task is cancelled the job is cancelled too.
        """

    def cancel(self, job_id: int) -> None:
        """Stops the job before its next step; unknown ids are ignored."""

    async def close(self) -> None:
        """Ends the process; jobs in flight raise ExecutorLost. Idempotent."""
