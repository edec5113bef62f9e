"""Colours drawn back to another picture's."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.tasks.match import MOST_GAIN, matched
from tests.photographs import NAMES, photograph

BOX = (100, 40, 356, 260)


def moments(picture: Image.Image) -> NDArray[np.float64]:
    """[mean and spread, channel]"""
    pixels = np.asarray(picture, dtype=np.float64).reshape(-1, 3)
    return np.stack([pixels.mean(axis=0), pixels.std(axis=0)])


def drifted(picture: Image.Image, gain: float, shift: tuple[float, float, float]) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float64)
    moved = (pixels - 128) * gain + 128 + np.array(shift)
    return Image.fromarray(np.clip(np.rint(moved), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("gain", "shift"), [(0.8, (12, -9, 4)), (1.25, (-20, 0, 15))])
def test_mean_and_spread_become_the_sources(
    name: str, gain: float, shift: tuple[float, float, float]
) -> None:
    source = photograph(name, BOX)
    painted = drifted(source, gain, shift)
    assert np.abs(moments(painted) - moments(source)).max() > 8
    assert np.abs(moments(matched(painted, source)) - moments(source)).max() < 0.5


def test_a_picture_that_did_not_drift_stays_to_the_bit() -> None:
    source = photograph("coffee", BOX)
    turned = source.rotate(180)  # the same colours elsewhere
    assert matched(turned, source).tobytes() == turned.tobytes()


def test_sizes_may_differ() -> None:
    source = photograph("coffee", BOX)
    painted = drifted(source.resize((70, 51)), 0.8, (5, 0, -5))
    result = matched(painted, source)
    assert result.size == painted.size
    assert np.abs(moments(result) - moments(source)).max() < 1


def test_what_is_brighter_stays_brighter() -> None:
    grey = Image.linear_gradient("L")
    ramp = Image.merge("RGB", (grey, grey, grey))
    levels = np.asarray(matched(ramp, photograph("astronaut", BOX)), dtype=int)[:, 0]
    assert (np.diff(levels, axis=0) >= 0).all()


def test_what_was_painted_flat_is_not_stretched_into_noise() -> None:
    source = photograph("astronaut", BOX)
    rough = np.random.default_rng(0).normal(128, 2, (64, 64, 3))
    flat = Image.fromarray(np.rint(rough).astype(np.uint8))
    means, spreads = moments(matched(flat, source))
    assert np.abs(means - moments(source)[0]).max() < 1
    assert (spreads < 2 * MOST_GAIN + 1).all()
    one = matched(Image.new("RGB", (8, 8), (9, 200, 30)), source)
    assert np.abs(moments(one)[0] - moments(source)[0]).max() <= 0.5
