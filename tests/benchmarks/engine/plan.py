"""How much is measured."""

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.engine.traces import Mix

LOADS = (0.5, 0.8, 0.95)
"""Poisson arrivals, as shares of what (b) can serve; aims speak of the second."""
JUDGED = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One run of the benchmark.

    folder: the model. device: as in settings.
    mix, jobs, rounds: the backlogs that measure images a second, and the job that runs alone;
        no rounds leave them out.
    traffic: the jobs of the traces; traffic_rounds: times that each trace is replayed, every
        time with other jobs.
    backlog, arrivals: jobs of the backlog and of each Poisson trace; 0 leaves them out.
    alone: rounds of single jobs; 0 leaves them out.
    tries: how often each kind of job is run alone, for the unloaded times.
    limit: jobs in one static batch, at most.
    compiled: whether (b) is tried. processes: whether each arm gets a process.
    """

    folder: Path
    device: str
    mix: Mix
    traffic: Mix
    jobs: int
    rounds: int
    alone: int
    backlog: int
    arrivals: int
    traffic_rounds: int = 1
    tries: int = 2
    limit: int = 8
    compiled: bool = True
    processes: bool = True
