"""Larger pictures without a model."""

import numpy as np
import pytest
from PIL import Image

from inference.tasks.faithful import enlarged
from tests.photographs import NAMES, photograph

Bicubic = Image.Resampling.BICUBIC


def psnr(picture: Image.Image, truth: Image.Image) -> float:
    error = np.asarray(picture, dtype=float) - np.asarray(truth, dtype=float)
    return float(10 * np.log10(255**2 / np.mean(error**2)))


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("name", NAMES)
def test_brought_down_again_it_is_the_source_to_the_bit(name: str, factor: int) -> None:
    source = photograph(name, (120, 60, 221, 133))
    larger = enlarged(source, factor)
    assert larger.size == (101 * factor, 73 * factor)
    assert larger.reduce(factor).tobytes() == source.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 5)])
def test_noise_of_any_size_is_kept_too(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert enlarged(Image.fromarray(noise), 4).reduce(4).tobytes() == noise.tobytes()


@pytest.mark.parametrize("how", [Image.Resampling.BOX, Bicubic, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_nearer_to_the_truth_than_interpolation(name: str, how: Image.Resampling) -> None:
    truth = photograph(name, (100, 40, 356, 280))
    source = truth.resize((128, 120), how)
    by_interpolation = max(
        psnr(source.resize(truth.size, each), truth) for each in (Bicubic, Image.Resampling.LANCZOS)
    )
    gain = psnr(enlarged(source, 2), truth) - by_interpolation
    assert gain > 0.05
    if name != "chelsea" and how is Image.Resampling.BOX:
        assert gain > 0.3


def steepest(picture: Image.Image) -> int:
    row = np.asarray(picture, dtype=int)[picture.height // 2, :, 0]
    return int(np.abs(np.diff(row)).max())


def test_an_edge_is_sharper_than_bicubic_and_does_not_ring() -> None:
    pixels = np.full((40, 40, 3), 60, dtype=np.uint8)
    pixels[:, 20:] = 190
    source = Image.fromarray(pixels)
    for factor in (2, 4):
        larger, size = enlarged(source, factor), (40 * factor, 40 * factor)
        assert steepest(larger) > 1.2 * steepest(source.resize(size, Bicubic))
        assert larger.getextrema() == ((60, 190),) * 3
    ringing = source.resize((80, 80), Image.Resampling.LANCZOS).getextrema()[0]
    assert ringing[0] < 50  # what is held back  # type: ignore[operator]
    assert ringing[1] > 200  # type: ignore[operator]


@pytest.mark.parametrize("name", NAMES)
def test_photographs_stay_in_the_range_of_their_places(name: str) -> None:
    source = photograph(name, (120, 60, 248, 188))
    larger = np.asarray(enlarged(source, 2), dtype=int)
    pixels = np.pad(np.asarray(source, dtype=int), ((1, 1), (1, 1), (0, 0)), mode="edge")
    near = [pixels[y : y + 128, x : x + 128] for y in range(3) for x in range(3)]
    low, high = (
        one.repeat(2, axis=0).repeat(2, axis=1) for one in (np.min(near, 0), np.max(near, 0))
    )
    beyond = np.maximum(low - larger, larger - high)
    # Only dots and lines, which stand out in the source already, go on beyond it.
    assert (beyond > 0).mean() < 0.1
    assert np.quantile(beyond, 0.999) <= 12
