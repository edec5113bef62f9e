"""The engine's picture for a seed is the one that diffusers' own pipeline makes, within 1/255."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import (
    SCHEDULERS,
    Reference,
    open_png,
    pixels,
    png,
    run,
    run_staggered,
)

Expect = Callable[[str, GenerationRequest], NDArray[np.int16]]


@pytest.fixture(scope="module")
def expect(models: dict[str, Path]) -> Expect:
    """What diffusers makes of a request, worked out once."""
    references: dict[str, Reference] = {}
    known: dict[tuple[str, GenerationRequest], NDArray[np.int16]] = {}

    def picture(model: str, request: GenerationRequest) -> NDArray[np.int16]:
        if model not in references:
            references[model] = Reference(models[model])
        if (model, request) not in known:
            known[model, request] = references[model].run(request)
        return known[model, request]

    return picture


# Strengths and guidances; the last column of each is text-to-image.
CELLS = {
    "sd": ((0.3, 5.0), (0.6, 1.0), (0.6, 7.5), (1, 5.0)),
    "v": ((0.3, 1.0), (0.6, 5.0), (1, 5.0)),
    "sdxl": ((0.3, 5.0), (0.6, 1.0), (0.6, 5.0), (1, 5.0)),
}


def table(model: str, source: bytes) -> Iterator[GenerationRequest]:
    for number, scheduler in enumerate((None, *SCHEDULERS)):
        for strength, guidance in CELLS[model]:
            yield GenerationRequest(
                prompt="a red house by the sea",
                negative_prompt="" if number % 2 else "fog",
                strength=strength,
                steps=4,
                guidance=guidance,
                seed=number,
                scheduler=scheduler,
                image=source,
            )


def assert_close(found: bytes, expected: NDArray[np.int16], request: GenerationRequest) -> None:
    worst = int(np.abs(pixels(found) - expected).max())
    cell = (request.scheduler, request.strength, request.guidance)
    assert worst <= 1, f"{cell} differs by {worst}/255"


@pytest.mark.parametrize("model", CELLS)
@pytest.mark.parametrize("strict", [True, False])
def test_the_table_alone_and_in_staggered_traffic(
    load: LoadEngine, expect: Expect, source: bytes, model: str, strict: bool
) -> None:
    requests = list(table(model, source))
    engine = load(model, strict=strict, rows=2 if strict else 8, slots=6, together=3)
    if strict:
        for request in requests:
            assert_close(run(engine, [request])[0].images[0].data, expect(model, request), request)
    arrivals = random.Random(1)
    staggered = [(arrivals.randrange(30), request) for request in requests]
    for request, result in zip(requests, run_staggered(engine, staggered), strict=True):
        assert_close(result.images[0].data, expect(model, request), request)


@pytest.mark.filterwarnings("ignore:The configuration file of this scheduler:FutureWarning")
@pytest.mark.parametrize("model", ["refiner", "lcm", "pndm", "v-noisy", "turbo", "turbo-xl"])
def test_models_with_a_peculiarity_by_their_own_scheduler(
    load: LoadEngine, expect: Expect, source: bytes, model: str
) -> None:
    requests = [
        GenerationRequest(
            prompt="fog", strength=strength, steps=steps, guidance=guidance, seed=4, image=source
        )
        for strength in (0.5, 0.9)
        for steps in ((2, 4) if model.startswith("turbo") else (5,))
        for guidance in (1.0, 5.0)
    ]
    strict, fast = load(model), load(model, strict=False, rows=8, slots=6, together=3)
    arrivals = random.Random(1)
    staggered = [(arrivals.randrange(6), request) for request in requests]
    for request, together in zip(requests, run_staggered(fast, staggered), strict=True):
        alone = run(strict, [request])[0]
        assert_close(alone.images[0].data, expect(model, request), request)
        assert_close(together.images[0].data, expect(model, request), request)


def test_a_consistency_model_takes_guidance_as_an_input(load: LoadEngine, source: bytes) -> None:
    request = GenerationRequest(prompt="fog", steps=4, strength=0.5, guidance=8, image=source)
    assert run(load("lcm"), [request])[0].batch_shape == "1x4x8x8"
    weaker = run(load("lcm"), [request.change(guidance=2.0)])[0]
    assert weaker.images[0].data != run(load("lcm"), [request])[0].images[0].data


def test_each_picture_of_a_request_is_that_of_its_own_seed(
    load: LoadEngine, expect: Expect, source: bytes
) -> None:
    request = GenerationRequest(prompt="fog", steps=4, count=3, seed=2**32 - 2, image=source)
    images = run(load("sd"), [request])[0].images
    assert [image.seed for image in images] == [2**32 - 2, 2**32 - 1, 0]
    for image in images:
        alone = request.change(count=1, seed=image.seed)
        assert_close(image.data, expect("sd", alone), alone)
        assert run(load("sd"), [alone])[0].images[0].data == image.data


def test_a_size_that_is_no_multiple_is_padded_with_its_edges_and_cropped(
    load: LoadEngine, expect: Expect, source: bytes
) -> None:
    narrow = open_png(source).resize((46, 88))
    padded = np.pad(np.asarray(narrow), ((0, 0), (0, 2), (0, 0)), mode="edge")
    request = GenerationRequest(prompt="fog", steps=4, image=png(narrow), seed=3)
    image = run(load("sd"), [request])[0].images[0]
    assert (image.width, image.height) == (46, 88)
    expected = expect("sd", request.change(image=png(Image.fromarray(padded))))
    assert_close(image.data, expected[:, :46], request)


def test_a_weight_and_a_long_prompt_can_be_asked_for(load: LoadEngine, source: bytes) -> None:
    long = "a house by the sea, " * 20
    prompts = ["a house", "a (house:1.4)", long, long + "(red:1.5)"]
    requests = [
        GenerationRequest(prompt=prompt, negative_prompt="fog", steps=3, seed=1, image=source)
        for prompt in prompts
    ]
    engine = load("sdxl", strict=True)
    together = [result.images[0].data for result in run(engine, requests)]
    assert len(set(together)) == len(prompts)
    for request, data in zip(requests, together, strict=True):
        assert run(load("sdxl", strict=True), [request])[0].images[0].data == data
