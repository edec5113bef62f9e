"""The shipped editor does what it is told, on a scene that it was not trained on."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from numpy.typing import NDArray
from PIL import Image

from inference.catalog import POCKET
from inference.training.rendering import photograph
from inference.training.spoiling import grey, noisy
from inference.training.world import HELD_OUT, scene

FOLDER = POCKET.parent / "pocket-edit"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no trained weights here")


@pytest.fixture(scope="module")
def truth() -> NDArray[np.uint8]:
    return (photograph(scene(HELD_OUT + 60), (128, 128)) * 255 + 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionInstructPix2PixPipeline:
    made = StableDiffusionInstructPix2PixPipeline.from_pretrained(FOLDER, safety_checker=None)
    made.set_progress_bar_config(disable=True)
    return made


def edited(
    pipe: StableDiffusionInstructPix2PixPipeline, words: str, source: NDArray[np.uint8]
) -> NDArray[np.float64]:
    (picture,) = pipe(
        words,
        image=Image.fromarray(source),
        num_inference_steps=10,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(0),
    ).images
    return np.asarray(picture, np.float64)


def distance(a: NDArray[np.float64], b: NDArray[np.uint8]) -> float:
    return float(np.sqrt(((a - b.astype(np.float64)) ** 2).mean()))


def test_it_removes_strong_noise(
    pipe: StableDiffusionInstructPix2PixPipeline, truth: NDArray[np.uint8]
) -> None:
    spoilt = noisy(truth, 50, np.random.default_rng(0))
    made = edited(pipe, "remove the noise", spoilt)
    assert distance(made, truth) < 0.75 * distance(spoilt.astype(np.float64), truth)


def test_different_words_do_different_things(
    pipe: StableDiffusionInstructPix2PixPipeline, truth: NDArray[np.uint8]
) -> None:
    """A grey picture gets colours where that is asked for, and a blueprint is blue."""
    source = grey(truth)
    coloured, blue = (
        edited(pipe, words, source) for words in ("colorize", "turn it into a blueprint")
    )
    spread = (coloured.max(axis=2) - coloured.min(axis=2)).mean()
    assert spread > 8
    assert (blue[..., 2] - blue[..., 0]).mean() > (coloured[..., 2] - coloured[..., 0]).mean() + 40
