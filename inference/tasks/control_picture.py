"""The picture that a ControlNet looks at, made of a clean drawing: white lines on black."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.tasks.sketch import DARK_PAPER

Plane = NDArray[np.float32]

INK = 64
"""Lines at least so far from the paper, of 255, are drawn; paler ones are not."""

WEAK, STRONG = 100.0, 200.0
"""Of an edge's gradient: above STRONG it is one, above WEAK it is if it hangs together with one.
A step of 80 levels between two areas has STRONG."""

_SIGMA = 1.0
_REACH = 3
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))


def control_picture(drawing: Image.Image, kind: str) -> Image.Image:
    """RGB, of the same size. drawing: RGB, as `clean_drawing` makes it. kind: of `PICTURES`."""
    lines = canny(drawing) if kind == "canny" else scribble(drawing)
    return Image.fromarray((lines * np.uint8(255)).astype(np.uint8)).convert("RGB")


def scribble(drawing: Image.Image) -> NDArray[np.bool_]:
    """Where there is ink of any colour on white paper, or chalk on a dark board; [h, w].

    Lines and filled areas as they are, without the shades between: such networks were trained on
    drawings of two values.
    """
    pixels = np.asarray(drawing, dtype=np.uint8)
    light = pixels.max(axis=2)
    if float(np.median(pixels.mean(axis=2))) < DARK_PAPER:
        return np.asarray(light >= np.median(light) + INK)
    return np.asarray(pixels.min(axis=2) <= 255 - INK)


def canny(picture: Image.Image) -> NDArray[np.bool_]:
    """Where the edges are, a pixel wide; [h, w].

    After J. Canny, A Computational Approach to Edge Detection (1986): smoothing by a Gaussian,
    the gradient, of which only the crest across each edge is kept, and two thresholds with
    hysteresis. The gradient is Sobel's and the thresholds count in its units.
    """
    light = np.asarray(picture.convert("L"), dtype=np.float32)
    down, right = _gradient(_smoothed(light))
    strength = np.hypot(down, right)
    crest = _crest(strength, down, right)
    return _connected(crest & (strength > STRONG), crest & (strength > WEAK))


def _smoothed(light: Plane) -> Plane:
    places = np.arange(-_REACH, _REACH + 1, dtype=np.float32)
    weights = np.exp(-(places**2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    return _along(_along(light, weights, 0), weights, 1)


def _gradient(light: Plane) -> tuple[Plane, Plane]:
    """Sobel's: the difference along one axis, smoothed along the other."""
    difference = np.array([-1, 0, 1], dtype=np.float32)
    smooth = np.array([1, 2, 1], dtype=np.float32)
    down = _along(_along(light, difference, 0), smooth, 1)
    return down, _along(_along(light, difference, 1), smooth, 0)


def _along(plane: Plane, weights: Plane, axis: int) -> Plane:
    """Each place as a weighted sum of its neighbours along an axis; the border is repeated."""
    reach, length = len(weights) // 2, plane.shape[axis]
    padding = [(0, 0), (0, 0)]
    padding[axis] = (reach, reach)
    wide = np.pad(plane, padding, mode="edge")
    parts = (
        weight * np.take(wide, range(first, first + length), axis=axis)
        for first, weight in enumerate(weights)
    )
    return np.asarray(sum(parts), dtype=np.float32)


def _crest(strength: Plane, down: Plane, right: Plane) -> NDArray[np.bool_]:
    """Whether no neighbour across the edge is stronger. Of two equal ones the first is kept."""
    height, width = strength.shape
    wide = np.pad(strength, 1)
    # The gradient's direction, to the nearest of four: 0 right, 1 right and down, 2 down, 3 left.
    direction = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    crest = np.zeros(strength.shape, dtype=bool)
    for number, (dy, dx) in enumerate(_STEPS):
        ahead = wide[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        behind = wide[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        crest |= (direction == number) & (strength >= ahead) & (strength > behind)
    return crest


def _connected(strong: NDArray[np.bool_], weak: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The strong places, and the weak ones that hang together with them."""
    left = np.pad(weak & ~strong, 1)
    found = np.pad(strong, 1)
    width = found.shape[1]
    around = np.array([dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    front = np.flatnonzero(found)
    left_flat, found_flat = left.reshape(-1), found.reshape(-1)
    while front.size:
        near = np.unique(front[:, None] + around)
        front = near[left_flat[near]]
        left_flat[front] = False
        found_flat[front] = True
    return found[1:-1, 1:-1]
