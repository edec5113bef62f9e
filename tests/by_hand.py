"""A task's program without an engine: each of its requests is painted by a function."""

from collections.abc import Callable, Sequence

from PIL import Image

from inference.request import GenerationRequest
from inference.result import GenerationResult
from inference.tasks.files import finished, opened
from inference.tasks.programs import Product, Program

Paint = Callable[[Image.Image, int], Image.Image]
"""Makes of a source and a seed what a model would."""


def by_hand(program: Program, paint: Paint) -> tuple[Product, list[Sequence[GenerationRequest]]]:
    """What it makes, and the requests of each round."""
    asked: list[Sequence[GenerationRequest]] = []
    try:
        current = next(program)
        while True:
            asked.append(current.requests)
            results = [_painted(request, paint) for request in current.requests]
            current = program.send(results)
    except StopIteration as end:
        assert isinstance(end.value, Product)
        return end.value, asked


def _painted(request: GenerationRequest, paint: Paint) -> GenerationResult:
    assert request.image is not None
    source = opened(request.image)
    assert source.size == (request.width, request.height)
    seeds = [request.seed_of(index) for index in range(request.count)]
    return GenerationResult(
        images=tuple(finished(paint(source, seed), seed) for seed in seeds),
        model="",
        revision="",
        scheduler="",
        steps_run=request.steps_run,
        seconds=0.0,
    )
