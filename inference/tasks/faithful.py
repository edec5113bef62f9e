"""A larger picture without a model: sharper than interpolation, and nothing made up."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]
"""One channel, [height, width], 0…255."""

_ROUNDS = 4
_OVERSHOOT = 1.0
"""How far beyond its neighbours a place that stands out already may go, as a share of that."""


def enlarged(picture: Image.Image, factor: int) -> Image.Image:
    """The RGB picture `factor` times as wide and high. factor: a power of 2.

    Each of its pixels is the mean of the factor × factor that it becomes, to the bit: `reduce`
    gives the picture again. Iterative back-projection (Irani & Peleg, Improving Resolution by
    Image Registration, 1991, equation 4, for a single picture and a sensor that takes means), in
    turn with a projection onto what the neighbourhood allows, so that edges do not ring. By 2 at
    a time, which leaves fewer of the pixels' own corners than 4 at once.
    """
    while factor > 1:
        # One channel after the other: of the largest pictures each takes 64 MiB several times.
        picture = Image.merge("RGB", [_doubled(channel) for channel in picture.split()])
        factor //= 2
    return picture


def _doubled(channel: Image.Image) -> Image.Image:
    source = np.asarray(channel, dtype=np.float32)
    low, high = _range(source)
    size = (2 * channel.width, 2 * channel.height)
    wide_low, wide_high = _spread(low), _spread(high)
    plane = _scaled(source, size, Image.Resampling.LANCZOS).clip(wide_low, wide_high)
    for _ in range(_ROUNDS):
        missing = source - _means(plane)
        plane += _scaled(missing, size, Image.Resampling.BICUBIC)
        np.clip(plane, wide_low, wide_high, out=plane)
    return Image.fromarray(_whole(_filled(plane, source, low, high)))


def _range(source: Plane) -> tuple[Plane, Plane]:
    """Lowest and highest value that each pixel's parts may have: its eight neighbours'.

    A pixel beyond all of them is a line or a dot that lies within it and may be stronger there.
    Beside an edge none is, so that nothing overshoots.
    """
    height, width = source.shape
    padded = np.pad(source, 1, mode="edge")
    around = [
        padded[y : y + height, x : x + width]
        for y in range(3)
        for x in range(3)
        if (y, x) != (1, 1)
    ]
    low, high = np.minimum.reduce(around), np.maximum.reduce(around)
    low = np.minimum(low, source - _OVERSHOOT * (low - source))
    high = np.maximum(high, source + _OVERSHOOT * (source - high))
    # Whole numbers, so that rounding does not leave the range.
    return np.ceil(low.clip(0, 255)), np.floor(high.clip(0, 255))


def _filled(plane: Plane, source: Plane, low: Plane, high: Plane) -> Plane:
    """The plane with means that are the source's, within the range.

    Each part takes the same share of the way to its limit. The source lies between the limits,
    so there always is such a share.
    """
    means = _means(plane)
    up = ((source - means) / np.maximum(high - means, 1e-3)).clip(0, 1)
    down = ((means - source) / np.maximum(means - low, 1e-3)).clip(0, 1)
    plane = plane + _spread(up) * (_spread(high) - plane)
    return plane - _spread(down) * (plane - _spread(low))


def _whole(plane: Plane) -> NDArray[np.uint8]:
    """Rounded so that the sum of each pixel's parts stays: what one loses the next one gets."""
    whole = np.empty(plane.shape, dtype=np.uint8)
    passed = gone = np.zeros((1, 1), dtype=np.float32)
    for y, x in ((0, 0), (0, 1), (1, 1), (1, 0)):
        passed = passed + plane[y::2, x::2]
        sums = np.rint(passed)
        whole[y::2, x::2] = sums - gone
        gone = sums
    return whole


def _scaled(plane: Plane, size: tuple[int, int], how: Image.Resampling) -> Plane:
    return np.array(Image.fromarray(plane).resize(size, how))


def _means(plane: Plane) -> Plane:
    """Of each pixel's four parts."""
    parts = plane[::2, ::2] + plane[::2, 1::2] + plane[1::2, ::2] + plane[1::2, 1::2]
    return parts / np.float32(4)


def _spread(values: Plane) -> Plane:
    return values.repeat(2, axis=0).repeat(2, axis=1)
