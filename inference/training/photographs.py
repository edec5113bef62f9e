"""Pictures from outside the world: photographs that ship with Python libraries, and dead leaves.

Real photographs come from scikit-image, and from scikit-learn and matplotlib where those are
installed (or lie in `extra`, a folder of your own). The three test pictures astronaut, coffee and
chelsea are never among them. Dead leaves (Lee, Mumford and Huang 2001) are random overlapping
shapes with the statistics of natural pictures; they keep the models from knowing too few objects.
"""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from inference.training.pen import rgb
from inference.training.styles import Array, blur, noise, to_array

TEST_PICTURES = ("astronaut", "coffee", "chelsea")

KNOWN: tuple[tuple[str, str, str, float], ...] = (
    ("skimage", "data/rocket.jpg", "a rocket", 1.5),
    ("skimage", "data/motorcycle_left.png", "a motorcycle", 1.5),
    ("skimage", "data/motorcycle_right.png", "a motorcycle", 1.0),
    ("skimage", "data/camera.png", "a man with a camera", 1.0),
    ("skimage", "data/retina.jpg", "an eye", 0.3),
    ("skimage", "data/ihc.png", "cells", 0.4),
    ("skimage", "data/hubble_deep_field.jpg", "stars", 0.4),
    ("skimage", "data/coins.png", "coins", 0.5),
    ("skimage", "data/clock_motion.png", "a clock", 0.5),
    ("skimage", "data/brick.png", "bricks", 0.3),
    ("skimage", "data/grass.png", "grass", 0.3),
    ("skimage", "data/gravel.png", "stones", 0.3),
    ("sklearn", "datasets/images/china.jpg", "a temple", 3.0),
    ("sklearn", "datasets/images/flower.jpg", "a flower", 2.5),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "a portrait of a woman", 4.0),
)
"""Package, file, what it shows, and how often it is drawn."""


@dataclass(frozen=True)
class Photograph:
    """One source photograph."""

    words: str
    weight: float
    image: Image.Image


def photographs(extra: Path | None = None) -> list[Photograph]:
    """Every photograph that can be found on this machine, RGB."""
    found = []
    for package, file, words, weight in KNOWN:
        spec = importlib.util.find_spec(package)
        roots = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
        if extra is not None:
            roots.append(extra / package)
        path = next((r / file for r in roots if (r / file).exists()), None)
        if path is not None:
            found.append(Photograph(words, weight, Image.open(path).convert("RGB")))
    return found


def crop(photo: Photograph, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """A random part of a photograph, turned, mirrored and re-lit: float32 [h, w, 3] in 0..1."""
    w, h = size
    image = photo.image
    widest = min(image.width / w, image.height / h)
    scale = float(np.exp(rng.uniform(math.log(min(0.6, widest)), math.log(widest))))
    cw, ch = max(1, int(w * scale)), max(1, int(h * scale))
    x = int(rng.integers(0, image.width - cw + 1))
    y = int(rng.integers(0, image.height - ch + 1))
    part = image.resize(size, Image.Resampling.LANCZOS, box=(x, y, x + cw, y + ch))
    if rng.random() < 0.5:
        part = ImageOps.mirror(part)
    if rng.random() < 0.08:
        part = ImageOps.flip(part)
    part = ImageEnhance.Brightness(part).enhance(float(rng.uniform(0.75, 1.25)))
    part = ImageEnhance.Contrast(part).enhance(float(rng.uniform(0.75, 1.3)))
    part = ImageEnhance.Color(part).enhance(float(rng.uniform(0.5, 1.6)))
    a = to_array(part)
    grey = a.mean(axis=2, keepdims=True)
    if rng.random() < 0.45:
        a = a[..., rng.permutation(3)]
    if rng.random() < 0.5:
        tint = rng.uniform(0.55, 1.15, 3).astype(np.float32)
        a = a * tint + (rng.random() * 0.3) * (grey - a)
    if rng.random() < 0.3:
        a = a ** float(rng.uniform(0.6, 1.6))
    return np.clip(a, 0, 1).astype(np.float32)


def dead_leaves(
    size: tuple[int, int], rng: np.random.Generator, palette: Array | None = None
) -> Array:
    """Overlapping shaded shapes: float32 [h, w, 3] in 0..1; colours from `palette` [n, 3]."""
    w, h = size
    image = Image.new("RGB", (2 * w, 2 * h))
    draw = ImageDraw.Draw(image)
    side = 2 * min(w, h)
    biggest = float(rng.uniform(0.2, 0.7))
    for _ in range(int(rng.integers(40, 140))):
        r = side * min(biggest, 0.03 / max(0.02, float(rng.random())) ** 1.1)
        x, y = float(rng.uniform(0, 2 * w)), float(rng.uniform(0, 2 * h))
        if palette is not None:
            c = palette[int(rng.integers(len(palette)))]
        else:
            c = np.clip(rng.normal(0.5, 0.25) + rng.normal(0, 0.16, 3), 0, 1)
        fill = rgb((float(c[0]), float(c[1]), float(c[2])))
        kind = rng.random()
        if kind < 0.45:
            q = r * float(rng.uniform(0.4, 1))
            draw.ellipse((x - r, y - q, x + r, y + q), fill=fill)
        elif kind < 0.85:
            turns = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 8))))
            draw.polygon([(x + r * math.cos(t), y + r * math.sin(t)) for t in turns], fill=fill)
        else:
            t = float(rng.uniform(0, math.pi))
            dx, dy = 2 * r * math.cos(t), 2 * r * math.sin(t)
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=fill, width=max(1, int(r * 0.12)))
    flat = np.asarray(image.reduce(2), np.float32) / 255
    light = 0.7 + 0.6 * noise((h, w), float(rng.uniform(20, 90)), rng)
    grain = 1 + float(rng.uniform(0, 0.5)) * (noise((h, w), float(rng.uniform(1.5, 6)), rng) - 0.5)
    out = flat * (light * grain)[..., None]
    return blur(out, float(rng.uniform(0.1, 1.2))) if rng.random() < 0.5 else np.clip(out, 0, 1)
