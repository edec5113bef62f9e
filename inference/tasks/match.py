"""A picture's colours drawn back to another's, so that they do not drift."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_GAIN = 2.0
"""By how much a spread is widened or narrowed at most: what was painted flat stays flat, for
stretched further it would be noise and bands."""

_ROUNDS = 32
_CLOSE = 0.02
_LEVELS = np.arange(256.0)

Shares = NDArray[np.float64]
"""Of each of the 256 levels, the share of the pixels that have it."""


def matched(picture: Image.Image, source: Image.Image) -> Image.Image:
    """The picture with the mean and the spread of each of the source's channels. Both RGB.

    After Reinhard et al., Color Transfer between Images (2001), equations 10 and 11, but in RGB:
    what is drawn back is a drift of a few levels, not another palette. What would leave 0…255 is
    cut off and takes some of the spread with it, so the line is sought that has both right after
    the cut. Any sizes; the spread changes by MOST_GAIN times at most.
    """
    table: list[int] = []
    own, wanted = _shares(picture), _shares(source)
    for channel in range(3):
        table += _line(own[channel], wanted[channel])
    return picture.point(table)


def _line(own: Shares, wanted: Shares) -> list[int]:
    """What each level becomes."""
    mean, spread = _moments(_LEVELS, wanted)
    own_mean, _ = _moments(_LEVELS, own)
    middle, gain = mean, 1.0
    for _ in range(_ROUNDS):
        levels = (middle + gain * (_LEVELS - own_mean)).clip(0, 255)
        now_mean, now_spread = _moments(levels, own)
        if abs(now_mean - mean) < _CLOSE and abs(now_spread - spread) < _CLOSE:
            break
        middle += mean - now_mean
        gain *= spread / max(now_spread, 1e-3)
        gain = float(np.clip(gain, 1 / MOST_GAIN, MOST_GAIN))
    levels = (middle + gain * (_LEVELS - own_mean)).clip(0, 255)
    return [int(level) for level in np.rint(levels)]


def _shares(picture: Image.Image) -> list[Shares]:
    counts = np.array(picture.histogram(), dtype=np.float64).reshape(3, 256)
    return list(counts / (picture.width * picture.height))


def _moments(levels: NDArray[np.float64], shares: Shares) -> tuple[float, float]:
    """Mean and standard deviation."""
    mean = float(levels @ shares)
    return mean, float(np.sqrt(((levels - mean) ** 2) @ shares))
