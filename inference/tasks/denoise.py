"""Noise measured and taken out, its detail kept. No model is needed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.limits import plain
from inference.model_info import ModelInfo
from inference.options import Denoise
from inference.request import GenerationRequest
from inference.tasks.files import opened
from inference.tasks.programs import Program
from inference.tasks.unpainted import refuse_size, unpainted

_BLOCK = 16
"""The side, in pairs of pixels, of what is measured by itself."""

_QUIET = 0.4
"""Of the blocks this share is taken to be nearly without texture."""

_PATCH, _REACH, _FORGIVING = 5, 5, 0.6
"""Of non-local means: sides of what is compared and how far it is looked for, pixels; and how
much patches may differ, in standard deviations of the noise."""

_UNEQUAL = 3
"""How many times as much noise as in another one is made up for in a channel."""

_NONE = 0.25
"""Noise below this is the rounding to whole levels."""

Plane = NDArray[np.float32]


def denoise(request: GenerationRequest, _info: ModelInfo) -> Program:
    """At the noise that was asked for, or the estimated one, which a note tells. No round."""
    assert isinstance(request.options, Denoise)
    assert request.image is not None
    refuse_size(request, "The picture keeps its size")
    picture = opened(request.image).convert("RGB")
    given = request.options.sigma
    sigmas = noise(picture) if given is None else (given,) * 3
    notes = () if given is not None else (_told(sigmas),)
    yield from ()  # no round
    return unpainted(request, denoised(picture, sigmas), why="no model is asked", notes=notes)


def noise(picture: Image.Image) -> tuple[float, ...]:
    """The standard deviation of each channel's noise in an RGB picture, of 255.

    The median of the diagonal Haar details by 0.6745 (Donoho & Johnstone, Ideal Spatial Adaptation
    by Wavelet Shrinkage, 1994, section 4.2), of each block by itself. Blocks so dark or bright that
    their noise is cut off do not count, and of the others' figures that at _QUIET is taken: above
    it texture is measured too.
    """
    pixels = np.asarray(picture, dtype=np.float32)
    return tuple(_deviation(pixels[..., channel]) for channel in range(3))


def denoised(picture: Image.Image, sigmas: tuple[float, ...]) -> Image.Image:
    """An RGB picture with less noise. sigmas: standard deviation in each channel, of 255.

    Non-local means (Buades, Coll & Morel, A Non-Local Algorithm for Image Denoising, 2005) over
    all channels together. Takes about 1.5 s a megapixel.
    """
    from skimage.restoration import denoise_nl_means

    level = float(np.sqrt(np.mean(np.square(sigmas))))
    if level < _NONE:
        return picture
    # The method knows one deviation for all: channels with more of it are made fainter before,
    # though not so much fainter that the others alone decide what is alike.
    scale = np.array([level / max(sigma, level / _UNEQUAL) for sigma in sigmas], dtype=np.float32)
    width, height = picture.size
    missing = ((0, max(0, _PATCH - height)), (0, max(0, _PATCH - width)), (0, 0))
    pixels = np.pad(np.asarray(picture, dtype=np.float32) * scale, missing, mode="edge")
    means = denoise_nl_means(
        pixels,
        patch_size=_PATCH,
        patch_distance=_REACH,
        h=_FORGIVING * level,
        sigma=level,
        fast_mode=True,
        channel_axis=-1,
        preserve_range=True,
    )
    cleaned = np.clip(np.rint(means[:height, :width] / scale), 0, 255).astype(np.uint8)
    noisy = np.array(sigmas) >= _NONE
    return Image.fromarray(np.where(noisy, cleaned, np.asarray(picture)))


def _told(sigmas: tuple[float, ...]) -> str:
    level = float(np.sqrt(np.mean(np.square(sigmas))))
    if level < _NONE:
        return "No noise was found; the picture is as it was."
    return (
        f"The noise was estimated at σ = {plain(round(level, 1 if level < 10 else None))} of 255."
    )


def _deviation(plane: Plane) -> float:
    height, width = (side // 2 * 2 for side in plane.shape)
    if min(height, width) < 2:
        return 0.0
    a, b, c, d = (plane[y:height:2, x:width:2] for y in (0, 1) for x in (0, 1))
    details = np.median(_blocks(np.abs(a - b - c + d) / 2), axis=1)
    deviations, means = details / 0.6745, _blocks((a + b + c + d) / 4).mean(axis=1)
    rough = float(np.median(deviations))
    whole = (means > 2 * rough) & (means < 255 - 2 * rough)
    if whole.any():
        deviations = deviations[whole]
    return float(np.quantile(deviations, _QUIET))


def _blocks(values: NDArray[Any]) -> NDArray[Any]:
    """[blocks, values of each]; what is left at the right and below is left out."""
    side = min(_BLOCK, *values.shape)
    rows, columns = (length // side for length in values.shape)
    parts = values[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return parts.swapaxes(1, 2).reshape(rows * columns, side * side)
