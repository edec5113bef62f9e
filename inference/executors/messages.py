"""What the bot's process and an engine's process say to each other.

A ticket numbers one run of a job: when a job is cancelled and run again, what still arrives from
its first run is not taken for the second.
"""

from dataclasses import dataclass

from inference.errors import ExecutorLost, InferenceError
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """To the engine: run this."""

    ticket: int
    request: GenerationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancel:
    """To the engine: stop it before its next step. A finished one is ignored."""

    ticket: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Loading:
    """From the engine: the process lives, and loads its default model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """From the engine: the default model is in memory, and it is worth sending `capacity` runs."""

    capacity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unusable:
    """From the engine: the default model cannot be loaded. Requests for others still run."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Alive:
    """From the engine, regularly.

    ticks: how often it finished a step or an admission so far.
    busy: whether it is in one now; loading a model does not count.
    """

    ticks: int
    busy: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Advanced:
    """From the engine: a step of this run is done."""

    ticket: int
    progress: Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """From the engine: this run is over, well or not."""

    ticket: int
    outcome: GenerationResult | InferenceError


@dataclass(frozen=True, kw_only=True, slots=True)
class Dying:
    """From the engine, its last words: why it ends by itself, and every run with it."""

    error: ExecutorLost


Message = Run | Cancel | Loading | Ready | Unusable | Alive | Advanced | Finished | Dying
