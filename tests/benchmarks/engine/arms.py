"""What is compared: something that takes jobs in, and works on them when told to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.benchmarks.engine.measures import Run
from tests.benchmarks.engine.traces import Arrival, Trace

NEVER = math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A finished picture.

    started: when the forward pass of its first step began; finished: when its PNG was there.
    Both in seconds of `time.monotonic`.
    """

    number: int
    started: float
    finished: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """Forward passes of the denoiser, and their rows, padding included."""

    calls: int
    rows: int


class Arm(Protocol):
    """One way to serve jobs."""

    def counts(self) -> Counts:
        """Of everything so far."""

    def arrive(self, arrival: Arrival) -> None:
        """Takes a job in."""

    def due(self, now: float) -> float:
        """When there will be something to do, if nothing more arrives: `now` or later; NEVER
        where nothing waits. now: seconds after the trace's beginning.
        """

    def work(self, now: float) -> Sequence[Done]:
        """Does what is due: a step, a batch. Returns what was finished by it."""


class Runner(Protocol):
    """An arm, wherever it is."""

    def replay(self, trace: Trace) -> Run:
        """Has it serve a trace."""

    def close(self) -> None:
        """Frees what it holds."""
