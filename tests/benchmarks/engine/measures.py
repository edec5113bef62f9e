"""What a replay is worth in figures."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

PATIENCE = 3.0
"""A picture is good if it comes within so many times what its job takes alone on the same arm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobTime:
    """Seconds after the trace's beginning."""

    number: int
    arrived: float
    started: float
    finished: float

    @property
    def queued(self) -> float:
        """Seconds from its arrival to the forward pass of its first step."""
        return self.started - self.arrived

    @property
    def total(self) -> float:
        """Seconds from its arrival to its picture."""
        return self.finished - self.arrived


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One trace served once. memory: peak bytes meanwhile, None where it was not measured."""

    jobs: tuple[JobTime, ...]
    calls: int
    rows: int
    memory: int | None = None

    @property
    def seconds(self) -> float:
        """From the first arrival to the last picture."""
        return max(job.finished for job in self.jobs) - min(job.arrived for job in self.jobs)

    @property
    def speed(self) -> float:
        """Pictures a second."""
        return len(self.jobs) / self.seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One arm's rounds of one trace.

    speed: pictures a second; gain: how many times the first arm's, the median of the rounds.
    calls, rows: of all rounds. queued, total: seconds, p50 and p95 over all jobs.
    goodput: pictures a second that came in time; in_time: their share.
    memory: peak bytes, None where it was not measured.
    """

    speed: float
    gain: float
    calls: int
    rows: int
    queued: tuple[float, float]
    total: tuple[float, float]
    goodput: float
    in_time: float
    memory: int | None


def summarise(
    runs: Sequence[Run], first: Sequence[Run], deadline: Callable[[int, int], float]
) -> Figures:
    """first: the rounds of the arm that `gain` is relative to.

    deadline: a round and a job's number → the seconds that it may take in all.
    """
    jobs = [job for run in runs for job in run.jobs]
    seconds = sum(run.seconds for run in runs)
    good = sum(
        job.total <= deadline(number, job.number)
        for number, run in enumerate(runs)
        for job in run.jobs
    )
    memory = [run.memory for run in runs if run.memory is not None]
    return Figures(
        speed=len(jobs) / seconds,
        gain=statistics.median(
            one.speed / other.speed for one, other in zip(runs, first, strict=True)
        ),
        calls=sum(run.calls for run in runs),
        rows=sum(run.rows for run in runs),
        queued=_percentiles([job.queued for job in jobs]),
        total=_percentiles([job.total for job in jobs]),
        goodput=good / seconds,
        in_time=good / len(jobs),
        memory=max(memory, default=None),
    )


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    median, late = np.percentile(values, (50, 95))
    return float(median), float(late)
