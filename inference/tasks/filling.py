"""Something plausible where a picture has nothing yet, for a model to paint over."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating]

GRAIN = 8
"""Pixels on a side of one grain of noise: finer noise an autoencoder does not see."""


def filled(picture: Image.Image, hole: Image.Image) -> Image.Image:
    """The RGB picture with its hole, white in L, filled by the colours around it, ever smoother.

    The pull-push algorithm of Gortler et al., The Lumigraph (1996), section 3.4.3: averages of
    what is known, by halves, and back down where nothing is known.
    """
    unknown = np.asarray(hole) > 0
    known = (~unknown).astype(np.float32)[..., None]
    values = np.asarray(picture, dtype=np.float32)
    made = _pull_push(values * known, known)
    return Image.fromarray(np.where(unknown[..., None], _levels(made), np.asarray(picture)))


def noised(picture: Image.Image, hole: Image.Image, *, amount: float, seed: int) -> Image.Image:
    """The RGB picture with coloured noise in its hole. amount: standard deviation, of 255."""
    numbers = np.random.default_rng(seed)
    small = (-(-picture.height // GRAIN), -(-picture.width // GRAIN), 3)
    grains = numbers.normal(0.0, amount, small).astype(np.float32)
    coarse = grains.repeat(GRAIN, axis=0).repeat(GRAIN, axis=1)[: picture.height, : picture.width]
    noise = coarse + numbers.normal(0.0, amount / 2, coarse.shape)
    values = np.asarray(picture)
    inside = (np.asarray(hole) > 0)[..., None]
    return Image.fromarray(np.where(inside, _levels(values + noise), values))


def _pull_push(values: Floats, weight: Floats) -> Floats:
    """values: [h, w, 3], 0 where unknown; weight: [h, w, 1], 1 where known. Gives all known."""
    height, width = weight.shape[:2]
    if weight.min() >= 1 or max(height, width) == 1:
        return values
    sums, weights = _halved(values * weight), _halved(weight)
    means = sums / np.maximum(weights, 1e-6)
    coarse = _pull_push(means, np.minimum(weights, 1.0))
    pushed = weight * values + (1 - weight) * _scaled(coarse, (width, height))
    return pushed.astype(np.float32)


def _halved(values: Floats) -> Floats:
    """Sums of 2×2 values each."""
    height, width = values.shape[:2]
    even = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, -1)
    sums: Floats = blocks.sum(axis=(1, 3))
    return sums


def _scaled(values: Floats, size: tuple[int, int]) -> Floats:
    """Each channel smoothly at this size, width and height."""
    channels = (
        Image.fromarray(values[..., channel]).resize(size, Image.Resampling.BILINEAR)
        for channel in range(values.shape[2])
    )
    return np.stack([np.asarray(channel) for channel in channels], axis=2)


def _levels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.rint(values.clip(0, 255)).astype(np.uint8)
