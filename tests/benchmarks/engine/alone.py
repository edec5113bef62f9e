"""How long a job takes alone on an arm: what a goodput is measured against."""

from collections.abc import Mapping
from dataclasses import dataclass

from inference.request import GenerationRequest
from tests.benchmarks.engine.arms import Runner
from tests.benchmarks.engine.traces import Mix, Size, Wish, alone, request_of

Class = tuple[Size, bool]
"""The size in pixels, and whether there is guidance."""

Point = tuple[int, float]
"""Steps run, and the seconds that they took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alone:
    """A straight line through two measured points for each class of jobs."""

    points: Mapping[Class, tuple[Point, Point]]

    def seconds(self, request: GenerationRequest) -> float:
        """What this request takes when nothing else is there."""
        (few, quick), (many, slow) = self.points[_class_of(request)]
        share = (request.steps_run - few) / (many - few) if many > few else 0.0
        return quick + share * (slow - quick)


def measure_alone(arm: Runner, mix: Mix, *, tries: int) -> Alone:
    """Each size with and without guidance, at the fewest and the most steps of the mix.

    Each is run once unmeasured, which also warms up or compiles; of `tries` the quickest counts.
    """
    points: dict[Class, tuple[Point, Point]] = {}
    for size in mix.sizes:
        for guidance in {min(mix.guidances), max(mix.guidances)}:
            ends = [
                Wish(size=size, steps=steps, strength=strength, guidance=guidance)
                for steps, strength in (
                    (min(mix.steps), mix.strengths[0]),
                    (max(mix.steps), mix.strengths[1]),
                )
            ]
            points[size, guidance > 1] = (_point(arm, ends[0], tries), _point(arm, ends[1], tries))
    return Alone(points=points)


def _point(arm: Runner, wish: Wish, tries: int) -> Point:
    # Other seeds, so that no memory of an encoded source helps.
    requests = [request_of(wish, seed=seed, prompt=f"try {seed}") for seed in range(tries + 1)]
    runs = [arm.replay(alone(request)) for request in requests]
    return requests[0].steps_run, min(run.seconds for run in runs[1:])


def _class_of(request: GenerationRequest) -> Class:
    assert request.width is not None
    assert request.height is not None
    return (request.width, request.height), request.guidance > 1
