"""Variations: pictures near that of a seed, each the same one when it is made alone."""

import math

import numpy as np
import pytest
import torch

from inference.families.latents import draw_noise
from inference.families.noise import first_noise, slerp
from inference.options import Variations
from inference.request import MAX_SEED, GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import pixels, run

CPU = torch.device("cpu")
SHAPE = (4, 32, 32)


def ask(source: bytes, spread: float = 0.1, **changes: object) -> GenerationRequest:
    return GenerationRequest(
        prompt="a fox",
        task="variations",
        strength=0.7,
        steps=4,
        seed=5,
        image=source,
        width=64,
        height=64,
        options=Variations(spread=spread),
    ).change(**changes)


def noise(source: bytes, spread: float, index: int = 0, seed: int = 5) -> torch.Tensor:
    request = ask(source, spread, seed=seed, options=Variations(spread=spread, index=index))
    return first_noise(request, SHAPE, torch.Generator().manual_seed(seed), CPU)


def drawn(seed: int) -> torch.Tensor:
    return draw_noise(SHAPE, torch.Generator().manual_seed(seed), CPU)


def test_the_way_leads_from_one_seed_to_another(source: bytes) -> None:
    assert torch.equal(noise(source, 0.0), drawn(5))
    assert torch.allclose(noise(source, 1.0), drawn(6), atol=1e-5)
    assert torch.allclose(noise(source, 1.0, index=3), drawn(9), atol=1e-5)
    assert torch.allclose(noise(source, 1.0, seed=MAX_SEED), drawn(0), atol=1e-5)


def test_on_the_way_it_stays_gaussian_noise(source: bytes) -> None:
    steps = [noise(source, share / 10) for share in range(11)]
    angles = [_angle(steps[0], step) for step in steps]
    assert np.allclose(np.diff(angles), angles[-1] / 10, atol=5e-3)  # evenly along the arc
    assert all(abs(step.std().item() - 1) < 0.05 for step in steps)
    straight = 0.5 * (steps[0] + steps[-1])
    assert straight.std() < 0.8


def test_between_equal_draws_there_is_no_arc() -> None:
    assert torch.equal(slerp(drawn(1), drawn(1), 0.3), drawn(1))


def _angle(one: torch.Tensor, other: torch.Tensor) -> float:
    return math.acos(min(1.0, (torch.sum(one * other) / (one.norm() * other.norm())).item()))


@pytest.mark.parametrize("model", ["sd", "sd3", "inpaint"])
def test_without_spread_it_is_the_plain_picture(
    load: LoadEngine, source: bytes, model: str
) -> None:
    plain = ask(source, task="img2img", options=None)
    for strength in (0.7, 1.0):
        same = ask(source, 0.0, strength=strength, count=2)
        made, wanted = run(load(model), [same, plain.change(strength=strength)])
        assert [image.data for image in made.images] == [wanted.images[0].data] * 2


@pytest.mark.parametrize("model", ["sd", "flux"])
def test_each_picture_alone_is_the_same_one(load: LoadEngine, source: bytes, model: str) -> None:
    request = ask(source, count=3)
    (made,) = run(load(model), [request])
    assert len({image.data for image in made.images}) == 3
    assert {image.seed for image in made.images} == {5}
    for index, image in enumerate(made.images):
        alone = request.single(index)
        assert alone.count == 1
        assert alone.options == Variations(spread=0.1, index=index)
        assert run(load(model), [alone])[0].images == (image,)
        again = GenerationRequest.from_json(alone.recipe.to_json()).with_picture(source)
        assert again == alone


def test_more_spread_is_farther_off(load: LoadEngine, source: bytes) -> None:
    spreads = (0.0, 0.05, 0.25, 1.0)
    results = run(load("sd"), [ask(source, spread, strength=1) for spread in spreads])
    made = [pixels(result.images[0].data) for result in results]
    off = [float(np.abs(picture - made[0]).mean()) for picture in made]
    assert off == sorted(off)
    assert 0 < off[1] < off[3] / 2


def test_variations_and_plain_pictures_share_forward_passes(
    load: LoadEngine, source: bytes
) -> None:
    engine = load("sd", strict=False, rows=8, slots=8)
    run(engine, [ask(source, count=2), ask(source, task="img2img", options=None)])
    assert engine.calls == 2
