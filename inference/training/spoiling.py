"""Ways to spoil a picture whose undoing can be learned: the inputs of pairs with known outputs.

Pictures are uint8 arrays [height, width, 3].
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from inference.training.data import Pixels
from inference.training.styles import luminance

SIGMAS = (5.0, 60.0)
"""Standard deviation of the noise, of 255."""
BLURS = (0.8, 2.8)
"""Standard deviation of the blur, pixels."""
HOLE = 128
"""The grey of a hole that is filled with one colour."""


def grey(picture: Pixels) -> Pixels:
    """Its luma (Rec. 601) in all three channels."""
    luma = (luminance(picture.astype(np.float32)) + 0.5).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=2)


def noisy(picture: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """With normal noise of standard deviation `sigma`, of 255, in each channel."""
    spoiled = picture + sigma * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(np.rint(spoiled), 0, 255).astype(np.uint8)


def blurred(picture: Pixels, sigma: float) -> Pixels:
    """Gaussian blur of `sigma` pixels."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))


def halved(picture: Pixels) -> Pixels:
    """Half as large and, by bicubic interpolation, as large as before again."""
    image = Image.fromarray(picture)
    small = image.resize(
        ((image.width + 1) // 2, (image.height + 1) // 2), Image.Resampling.BICUBIC
    )
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


def hole(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A mask ("L", 255 inside) of boxes, ellipses and brush strokes; `size` is (width, height)."""
    w, h = size
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for _ in range(int(rng.integers(1, 4))):
        x, y = float(rng.uniform(0.1, 0.9)) * w, float(rng.uniform(0.1, 0.9)) * h
        a, b = (float(v) for v in rng.uniform(0.06, 0.24, 2))
        box = (x - a * w, y - b * h, x + a * w, y + b * h)
        kind = rng.random()
        if kind < 0.4:
            draw.rectangle(box, fill=255)
        elif kind < 0.7:
            draw.ellipse(box, fill=255)
        else:
            path = np.cumsum(rng.normal(0, 0.12 * min(w, h), (5, 2)), axis=0)
            points = [(x + float(u), y + float(v)) for u, v in path]
            draw.line(points, fill=255, width=max(2, int(0.2 * a * min(w, h)) * 4), joint="curve")
    return mask


def changed(source: Pixels, truth: Pixels) -> NDArray[np.bool_]:
    """Where a spoilt picture is not the true one, [height, width], as in its hole."""
    found: NDArray[np.bool_] = (source != truth).any(axis=2)
    return found


def holed(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """With a hole, filled with grey or with noise."""
    h, w, _ = picture.shape
    inside = np.asarray(hole((w, h), rng)) > 0
    out = picture.copy()
    if rng.random() < 0.6:
        out[inside] = HOLE
    else:
        out[inside] = rng.integers(0, 256, (int(inside.sum()), 3), dtype=np.uint8)
    return out
