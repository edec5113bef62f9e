"""Noise measured and taken out."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from inference.errors import RequestError
from inference.model_info import ModelInfo
from inference.options import Denoise
from inference.request import GenerationRequest
from inference.tasks.denoise import denoise, denoised, noise
from inference.tasks.files import as_png, opened
from tests.by_hand import by_hand
from tests.photographs import NAMES, photograph

INFO = ModelInfo(id="", title="", location="", pixel_budget=64 * 64)
BOX = (90, 40, 340, 260)


def noisy(picture: Image.Image, sigma: float | tuple[float, ...], seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed).normal(0, 1, (picture.height, picture.width, 3))
    pixels = np.asarray(picture) + random * np.array(sigma)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def psnr(picture: Image.Image, truth: Image.Image) -> float:
    error = np.asarray(picture, dtype=float) - np.asarray(truth, dtype=float)
    return float(10 * np.log10(255**2 / max(1e-9, np.mean(error**2))))


def ask(picture: Image.Image, sigma: float | None = None, **changes: object) -> GenerationRequest:
    options = Denoise(sigma=sigma)
    request = GenerationRequest(prompt="", task="denoise", image=as_png(picture), options=options)
    return request.change(**changes)


def never(source: Image.Image, seed: int) -> Image.Image:
    raise AssertionError("no model is needed")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_the_estimate_is_near(name: str, sigma: int) -> None:
    for box in (None, BOX):
        for estimate in noise(noisy(photograph(name, box), sigma)):
            assert estimate == pytest.approx(sigma, rel=0.2)


def test_channels_are_measured_each_for_itself() -> None:
    red, green, blue = noise(noisy(photograph("chelsea", BOX), (20, 5, 10)))
    assert (red, blue) == (pytest.approx(20, rel=0.2), pytest.approx(10, rel=0.2))
    assert 4 < green < 7


def test_what_is_cut_off_at_black_and_white_does_not_count() -> None:
    pixels = np.asarray(photograph("chelsea", BOX)).copy()
    pixels[:, :100], pixels[:60] = 0, 255
    for estimate in noise(noisy(Image.fromarray(pixels), 25)):
        assert estimate == pytest.approx(25, rel=0.2)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("sigma", "gain", "beside_median"), [(10, 4, 2), (25, 7.5, 2), (50, 8, 2)])
def test_it_is_nearer_to_the_truth(
    name: str, sigma: int, gain: float, beside_median: float
) -> None:
    truth = photograph(name, BOX)
    given = noisy(truth, sigma)
    made = psnr(denoised(given, noise(given)), truth)
    assert made > psnr(given, truth) + gain
    assert made > psnr(given.filter(ImageFilter.MedianFilter(3)), truth) + beside_median


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_picture_nearly_stays(name: str) -> None:
    picture = photograph(name)
    assert psnr(denoised(picture, noise(picture)), picture) > 44


def test_noise_of_one_channel_leaves_the_others() -> None:
    truth = photograph("coffee", BOX)
    made = denoised(noisy(truth, (30, 0, 0)), (30, 0, 0))
    errors = np.abs(np.asarray(made, dtype=float) - np.asarray(truth)).mean(axis=(0, 1))
    assert errors[0] < 8  # of 22
    assert errors[1:].max() == 0


def test_the_estimate_is_told() -> None:
    product, _ = by_hand(denoise(ask(noisy(photograph("chelsea", BOX), 23)), INFO), never)
    (note,) = product.notes
    assert note in {f"The noise was estimated at σ = {n} of 255." for n in range(20, 27)}
    given, _ = by_hand(denoise(ask(photograph("chelsea", BOX), 5), INFO), never)
    assert given.notes == ()
    flat, _ = by_hand(denoise(ask(Image.new("RGB", (64, 64), "teal")), INFO), never)
    assert flat.notes == ("No noise was found; the picture is as it was.",)


@pytest.mark.parametrize("size", [(201, 133), (1, 1), (2, 9), (17, 31)])
def test_any_size_is_kept(size: tuple[int, int]) -> None:
    picture = photograph("coffee").resize(size)
    for sigma in (None, 20.0):
        product, _ = by_hand(denoise(ask(picture, sigma), INFO), never)
        assert opened(product.images[0].data).size == size


def test_noise_of_0_changes_nothing() -> None:
    picture = photograph("coffee", BOX)
    product, _ = by_hand(denoise(ask(picture, 0, count=2, prompt="x", strength=0.1), INFO), never)
    assert [opened(image.data).tobytes() for image in product.images] == [picture.tobytes()] * 2
    assert product.notes == (
        "The prompt did nothing: no model is asked.",
        "All 2 pictures are alike: no model is asked.",
    )


def test_a_size_is_refused() -> None:
    with pytest.raises(RequestError, match="keeps its size; leave out"):
        next(denoise(ask(photograph("coffee", BOX), 5, width=64, height=64), INFO))
