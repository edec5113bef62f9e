"""The measures, each a small function of pictures (uint8 [h, w, 3]) or of what a judge saw."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inference.training.autoencoder import psnr
from inference.training.data import Pixels
from inference.training.examinations import sky_line
from inference.training.styles import LUMA, gradient

__all__ = [
    "distance",
    "edge_sharpness",
    "hole_psnr",
    "luminance_error",
    "psnr",
    "ridge_displacement",
    "rising",
    "share",
]


def luma_of(picture: Pixels) -> NDArray[np.float64]:
    """Rec. 601 luma, [h, w] in 0..255."""
    return picture.astype(np.float64) @ LUMA.astype(np.float64)


def luminance_error(a: Pixels, b: Pixels) -> float:
    """Mean difference of two pictures' luma, of 255."""
    return float(np.abs(luma_of(a) - luma_of(b)).mean())


def distance(a: Pixels, b: Pixels) -> float:
    """Mean difference of two pictures, of 255."""
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).mean())


def edge_sharpness(picture: Pixels, truth: Pixels, strongest: float = 0.05) -> float:
    """How steep the picture is where the truth is steepest, as a share of the truth's steepness.

    strongest: share of the pixels that counts as edges, those with the largest luma gradient of the
    truth. 1 is as sharp as the truth, 0 is flat.
    """
    wanted, found = (gradient(luma_of(one)) for one in (truth, picture))
    edges = wanted >= np.quantile(wanted, 1 - strongest)
    return float(found[edges].mean() / max(1e-9, float(wanted[edges].mean())))


def ridge_displacement(sky: NDArray[np.float64], labels: NDArray[np.uint8]) -> float | None:
    """How far a picture's ridge line is from the true one, mean share of the height.

    sky: [columns] share of the height that is sky in the picture. labels: its scene's label map of
    as many columns. Only columns count where the truth ends at a ridge with nothing before it; None
    where there is none.
    """
    line, ridge = sky_line(labels)
    if not ridge.any():
        return None
    return float(np.abs(sky - line)[ridge].mean())


def hole_psnr(a: Pixels, b: Pixels, hole: NDArray[np.bool_]) -> float:
    """PSNR in dB over the pixels of a hole, bool [h, w]."""
    return psnr(a[hole], b[hole])


def rising(values: Sequence[float]) -> bool:
    """Whether every value is above the one before it."""
    return all(a < b for a, b in pairwise(values))


def share(found: Sequence[object], wanted: Sequence[object]) -> float:
    """Share of equal places, 0..1."""
    return float(np.mean([a == b for a, b in zip(found, wanted, strict=True)]))
