"""What people draw before they ask for a picture, as filters: bare lines, a child's drawing."""

import numpy as np
from PIL import Image, ImageFilter

from inference.training.data import Pixels
from inference.training.styles import (
    Array,
    blur,
    box,
    diagonals,
    gradient,
    kuwahara,
    luminance,
    noise,
    saturate,
    stretch,
)


def line_drawing(picture: Array, rng: np.random.Generator) -> Array:
    """Outlines and nothing else, as a hand with one pen draws: float32 [h, w, 3] in 0..1."""
    h, w = picture.shape[:2]
    calm = kuwahara(picture, int(rng.integers(2, 5)))
    edge = gradient(box(stretch(luminance(calm)), 1))
    stroke = np.clip((edge - rng.uniform(0.03, 0.06)) * rng.uniform(20, 50), 0, 1)
    pressure = np.clip(0.7 + 0.9 * noise((h, w), 20, rng), 0, 1)
    value = rng.uniform(0.93, 1) - rng.uniform(0.75, 0.95) * stroke * pressure
    return np.repeat(value[..., None], 3, axis=2).astype(np.float32)


def pen_drawing(outlines: Pixels, rng: np.random.Generator) -> Array:
    """Outlines (uint8 [h, w], 255 on a line) drawn by a hand with one pen: float32 [h, w, 3].

    The hand trembles, presses unevenly, and its pen is thin or thick, black or of a dark colour.
    """
    h, w = outlines.shape
    unit = min(h, w) / 128
    bent = outlines[_bend((h, w), float(rng.uniform(0, 2.5)) * unit, rng)]
    wide = int(rng.choice([1, 3, 3, 5]))
    stroke = Image.fromarray(bent).filter(ImageFilter.MaxFilter(wide))
    soft = stroke.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.0))))
    line = np.clip(np.asarray(soft, np.float32) / 255 * 1.6, 0, 1)
    line *= np.clip(rng.uniform(0.5, 1.0) + 0.8 * noise((h, w), 20 * unit, rng), 0.25, 1)
    grey = rng.uniform(0.0, 0.35)
    ink = np.clip(grey + rng.uniform(0, 0.3, 3) * (rng.random() < 0.4), 0, 1).astype(np.float32)
    paper = np.full((h, w, 3), rng.uniform(0.95, 1.0), np.float32)
    return paper + (ink - paper) * line[..., None].astype(np.float32)


FILLED = 0.6
"""Share of a child's drawings that are filled in."""


def child_drawing(picture: Array, rng: np.random.Generator, *, filled: bool | None = None) -> Array:
    """Thick wavering outlines in crayon, some of it `filled` in, or not, or as the dice say:
    float32 [h, w, 3] in 0..1.

    `picture` is such an array too. Outlines follow colour as well as light, and are bent by smooth
    noise, so nothing lies quite where it should.
    """
    h, w = picture.shape[:2]
    unit = min(h, w) / 128
    calm = blur(kuwahara(kuwahara(picture, 4), 4), 1.2 * unit)
    calm = calm / max(0.4, float(calm.max()))  # night is drawn as boldly as day
    chroma = calm - luminance(calm)[..., None]
    edge = gradient(box(luminance(calm), 1)) + 0.7 * sum(
        gradient(box(chroma[..., c], 1)) for c in range(3)
    )
    bent = _bend((h, w), float(rng.uniform(1.0, 4.0)) * unit, rng)
    edge = blur(np.clip((edge[bent] - rng.uniform(0.05, 0.09)) * 14, 0, 1), 0.7 * unit)
    line = np.clip(edge * float(rng.uniform(1.5, 3.0)), 0, 1)[..., None]
    colours = np.clip(saturate(calm[bent] + 0.12, float(rng.uniform(1.5, 2.6))), 0, 1)
    paper = np.full_like(picture, rng.uniform(0.93, 1.0))
    dice = rng.random()
    filled = dice < FILLED if filled is None else filled
    if filled:
        wobble = noise((h, w), 30 * unit, rng)
        period, slope = float(rng.uniform(2.5, 5.0)) * unit, float(rng.uniform(-1.5, 1.5))
        strokes = np.clip(diagonals((h, w), period, slope, wobble) * 1.8, 0, 1)
        where = np.clip((noise((h, w), 26 * unit, rng) - rng.uniform(0.2, 0.6)) * 8, 0, 1)
        paper = paper + (colours - paper) * (0.85 * strokes * where)[..., None]
    pen = colours * 0.5 if filled and rng.random() < 0.5 else np.full_like(picture, 0.12)
    crayon = 0.8 + 0.2 * rng.random((h, w, 1), dtype=np.float32)
    return np.clip(paper + (pen - paper) * line * crayon, 0, 1).astype(np.float32)


def _bend(shape: tuple[int, int], far: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Indices (rows, columns) that move every pixel by up to `far` pixels, smoothly."""
    h, w = shape
    y, x = np.mgrid[0:h, 0:w]
    dy, dx = (2 * far * (noise(shape, max(8.0, min(shape) / 6), rng) - 0.5) for _ in range(2))
    rows = np.clip(np.rint(y + dy), 0, h - 1).astype(np.intp)
    columns = np.clip(np.rint(x + dx), 0, w - 1).astype(np.intp)
    return rows, columns
