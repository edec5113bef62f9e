"""SD3's and Flux's pictures are those of diffusers' own pipelines, within 1/255."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.flow_traffic import FlowReference
from tests.integration.inference.traffic import open_png, pixels, png, run, run_staggered

Expect = Callable[[str, GenerationRequest], NDArray[np.int16]]

# Strength, steps, guidance, height. Those at strength 1 are text-to-image; 96 pixels shift the
# schedule further than 64 where the model shifts it by size.
CELLS = [
    (0.1, 4, 3.5, 64),
    (0.3, 4, 5.0, 64),
    (0.3, 7, 1.0, 96),
    (0.55, 5, 1.0, 64),
    (0.6, 5, 7.0, 96),
    (0.6, 2, 3.5, 64),
    (0.999, 3, 2.0, 64),
    (1, 4, 5.0, 64),
    (1, 3, 1.0, 96),
    (1, 1, 4.0, 64),
]
PROMPTS = ["a red house by the sea", "the fox", ""]


@pytest.fixture(scope="module")
def expect(models: dict[str, Path]) -> Expect:
    """What diffusers makes of a request, worked out once."""
    references: dict[str, FlowReference] = {}
    known: dict[tuple[str, GenerationRequest], NDArray[np.int16]] = {}

    def picture(model: str, request: GenerationRequest) -> NDArray[np.int16]:
        if model not in references:
            references[model] = FlowReference(models[model])
        if (model, request) not in known:
            known[model, request] = references[model].run(request)
        return known[model, request]

    return picture


def table(source: bytes) -> Iterator[GenerationRequest]:
    for number, (strength, steps, guidance, height) in enumerate(CELLS):
        yield GenerationRequest(
            prompt=PROMPTS[number % 3],
            negative_prompt="fog" if number % 2 else "",
            strength=strength,
            steps=steps,
            guidance=guidance,
            seed=number,
            width=64,
            height=height,
            scheduler="flow-euler" if number % 4 == 0 else None,
            image=png(open_png(source).resize((64, height))),
        )


def assert_close(found: bytes, expected: NDArray[np.int16], request: GenerationRequest) -> None:
    worst = int(np.abs(pixels(found) - expected).max())
    cell = (request.strength, request.steps, request.guidance, request.height)
    assert worst <= 1, f"{cell} differs by {worst}/255"


@pytest.mark.parametrize("model", ["sd3", "sd3-clip", "flux", "schnell"])
@pytest.mark.parametrize("strict", [True, False])
def test_the_flow_table_alone_and_in_staggered_traffic(
    load: LoadEngine, expect: Expect, source: bytes, model: str, strict: bool
) -> None:
    requests = list(table(source))
    engine = load(model, strict=strict, rows=2 if strict else 8, slots=6, together=3)
    if strict:
        for request in requests:
            assert_close(run(engine, [request])[0].images[0].data, expect(model, request), request)
    arrivals = random.Random(1)
    staggered = [(arrivals.randrange(12), request) for request in requests]
    for request, result in zip(requests, run_staggered(engine, staggered), strict=True):
        assert_close(result.images[0].data, expect(model, request), request)
