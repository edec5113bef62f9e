"""Arms take turns: every trace goes to each of them before the next one begins."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.request import GenerationRequest
from tests.benchmarks.engine.alone import Alone
from tests.benchmarks.engine.arms import Runner
from tests.benchmarks.engine.measures import PATIENCE, Figures, Run, summarise
from tests.benchmarks.engine.traces import Trace, alone

Arms = Mapping[str, Runner]
"""By name; the first is what the others are compared with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Single:
    """One job alone, round by round. seconds: the median.

    gain, least, most: how many times as fast as the first arm: median and range of the rounds.
    """

    seconds: float
    gain: float
    least: float
    most: float


def play(arms: Arms, traces: Sequence[Trace]) -> dict[str, list[Run]]:
    """Every trace on every arm, in turns whose order is reversed from round to round."""
    runs: dict[str, list[Run]] = {name: [] for name in arms}
    for number, trace in enumerate(traces):
        for name in arms if number % 2 == 0 else reversed(list(arms)):
            runs[name].append(arms[name].replay(trace))
    return runs


def figures(
    runs: Mapping[str, Sequence[Run]],
    traces: Sequence[Trace],
    unloaded: Mapping[str, Alone],
) -> dict[str, Figures]:
    """What the runs of these traces come to, each arm by its own unloaded times."""
    first = next(iter(runs.values()))

    def summary(name: str) -> Figures:
        def deadline(number: int, job: int) -> float:
            return PATIENCE * unloaded[name].seconds(traces[number].arrivals[job].request)

        return summarise(runs[name], first, deadline)

    return {name: summary(name) for name in runs}


def singles(arms: Arms, requests: Sequence[GenerationRequest]) -> dict[str, Single]:
    """Each request alone on every arm; the first one warms up and does not count."""
    runs = play(arms, [alone(request) for request in requests])
    seconds = {name: [run.seconds for run in found[1:]] for name, found in runs.items()}
    first = next(iter(seconds.values()))
    found = {}
    for name, own in seconds.items():
        gains = [theirs / mine for theirs, mine in zip(first, own, strict=True)]
        found[name] = Single(
            seconds=statistics.median(own),
            gain=statistics.median(gains),
            least=min(gains),
            most=max(gains),
        )
    return found
