"""Twelve styles as filters: each maps a picture to the same picture in another hand.

A filter sees nothing but pixels, so it works alike on a rendered scene and on a real photograph;
that is what lets the embedded models restyle photographs though they know few of them. Pictures
are float32 arrays [height, width, 3] in 0..1. Stroke widths are in pixels, and grow with the
picture only beyond 384 pixels on its short side.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.floating[Any]]
Filter = Callable[[Array, np.random.Generator], Array]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def to_array(image: Image.Image) -> Array:
    """A picture as float32 [height, width, 3] in 0..1."""
    return np.asarray(image.convert("RGB"), np.float32) / 255


def to_image(array: Array) -> Image.Image:
    """The inverse of `to_array`; values outside 0..1 are clipped."""
    return Image.fromarray((np.clip(array, 0, 1) * 255 + 0.5).astype(np.uint8))


def luminance(picture: Array) -> Array:
    """[height, width] luma in 0..1 (Rec. 601 weights)."""
    return picture @ LUMA


def unit_of(picture: Array) -> int:
    """How many pixels one stroke unit takes."""
    return max(1, round(min(picture.shape[:2]) / 384))


def box(plane: Array, radius: int) -> Array:
    """Mean over a square of side 2 x radius + 1, edges repeated; any trailing channels."""
    out = plane
    for axis in (0, 1):
        pad = [(0, 0)] * out.ndim
        pad[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(out, pad, mode="edge"), axis=axis, dtype=np.float32)
        n = 2 * radius + 1
        hi = np.take(total, range(n, total.shape[axis]), axis=axis)
        lo = np.take(total, range(total.shape[axis] - n), axis=axis)
        out = (hi - lo) / n
    return out.astype(np.float32)


def blur(picture: Array, sigma: float) -> Array:
    """Gaussian blur (8-bit inside), sigma in pixels; [h, w] or [h, w, 3]."""
    image = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), np.float32) / 255


def noise(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> Array:
    """Smooth noise in 0..1 with features of about `cell` pixels."""
    h, w = shape
    small = rng.random((max(2, round(h / cell)), max(2, round(w / cell))), dtype=np.float32)
    return np.asarray(Image.fromarray(small).resize((w, h), Image.Resampling.BICUBIC), np.float32)


def gradient(plane: Array) -> Array:
    """Edge strength of [h, w]: the length of the central-difference gradient."""
    p = np.pad(plane, 1, mode="edge")
    dx = p[1:-1, 2:] - p[1:-1, :-2]
    dy = p[2:, 1:-1] - p[:-2, 1:-1]
    return np.sqrt(dx * dx + dy * dy)


def lines(picture: Array, sigma: float, gain: float, floor: float = 0.012) -> Array:
    """Dark-line strength in 0..1: extended difference of Gaussians (Winnemöller et al. 2012)."""
    g = luminance(picture)
    narrow, wide = box(box(g, 1), 1), blur(g, sigma * 2.2)
    return np.clip((wide - narrow - floor) * gain, 0, 1)


def kuwahara(picture: Array, radius: int) -> Array:
    """Edge-preserving smoothing: each pixel takes the calmest of its four quadrants' means."""
    h, w = picture.shape[:2]
    r = radius
    square = np.concatenate([picture, luminance(picture)[..., None] ** 2], axis=2)
    mean = box(np.pad(square, ((r, r), (r, r), (0, 0)), mode="edge"), r // 2 if r > 1 else 1)
    off = r // 2 + r % 2
    quads = [
        mean[r + dy : r + dy + h, r + dx : r + dx + w] for dy in (-off, off) for dx in (-off, off)
    ]
    stack = np.stack(quads)
    variance = stack[..., 3] - (stack[..., :3] @ LUMA) ** 2
    best = np.argmin(variance, axis=0)
    return np.take_along_axis(stack[..., :3], best[None, ..., None], axis=0)[0]


def saturate(picture: Array, amount: float) -> Array:
    """Moves colours away from (above 1) or towards (below 1) their grey."""
    g = luminance(picture)[..., None]
    return np.clip(g + (picture - g) * amount, 0, 1)


def stretch(plane: Array) -> Array:
    """Contrast stretched so that the 3rd and 97th percentile become 0 and 1."""
    lo, hi = np.percentile(plane[::2, ::2], (3, 97))
    return np.clip((plane - lo) / max(0.15, float(hi - lo)), 0, 1).astype(np.float32)


def diagonals(shape: tuple[int, int], period: float, slope: float, wobble: Array) -> Array:
    """Wavering parallel lines as a 0..1 wave: the ground of every hatching."""
    h, w = shape
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    wave = np.sin((x + slope * y + 5 * wobble) * (2 * np.pi / period))
    return (0.5 + 0.5 * wave).astype(np.float32)


def photo(picture: Array, rng: np.random.Generator) -> Array:
    """As it is."""
    return picture


def pencil(picture: Array, rng: np.random.Generator) -> Array:
    """Dodged outlines over two directions of hatching, on toned paper."""
    u = unit_of(picture)
    g = stretch(luminance(picture))
    shape = g.shape[:2]
    dodge = np.clip((g + 0.06) / (blur(g, 3.0 * u) + 0.06), 0, 1) ** 3
    wobble = noise((shape[0], shape[1]), 24, rng)
    grain = rng.random(shape, dtype=np.float32)
    tone = blur(g, 1.2)
    h1 = diagonals((shape[0], shape[1]), 4.2 * u, 1.0, wobble) * np.clip(0.75 - tone, 0, 1) * 0.85
    h2 = diagonals((shape[0], shape[1]), 4.2 * u, -0.8, wobble) * np.clip(0.38 - tone, 0, 1) * 1.1
    value = dodge * (1 - h1) * (1 - h2) - 0.10 * np.clip(0.7 - tone, 0, 1)
    value = 0.10 + 0.86 * np.clip(value, 0, 1) - 0.07 * grain * (1 - 0.6 * tone)
    return (value[..., None] * np.array([1.0, 0.985, 0.95], np.float32)).astype(np.float32)


def ink(picture: Array, rng: np.random.Generator) -> Array:
    """Black lines, solid shadows and one hatching."""
    u = unit_of(picture)
    g = stretch(luminance(picture))
    smooth = blur(g, 1.3 * u)
    stroke = lines(picture, 2.0 * u, 22)
    black = np.clip((0.24 - smooth) * 14, 0, 1)
    wobble = noise((g.shape[0], g.shape[1]), 20, rng)
    hatch = diagonals((g.shape[0], g.shape[1]), 5 * u, 1.0, wobble)
    half = np.clip((hatch - 0.62) * 6, 0, 1) * np.clip((0.46 - smooth) * 10, 0, 1)
    dark = np.maximum(np.maximum(stroke, black), half)
    value = 0.97 - 0.91 * dark
    return (value[..., None] * np.array([1.0, 0.99, 0.96], np.float32)).astype(np.float32)


def watercolour(picture: Array, rng: np.random.Generator) -> Array:
    """Washes that pool and darken at their edges, paper left bare around them."""
    u = unit_of(picture)
    h, w = picture.shape[:2]
    wash = kuwahara(kuwahara(picture, 4 * u), 3 * u)
    edge = np.clip(gradient(box(luminance(wash), 1)) * 2.2, 0, 0.55)
    pool = noise((h, w), 22 * u, rng) * 0.6 + noise((h, w), 7 * u, rng) * 0.4
    paper = rng.random((h, w), dtype=np.float32)
    light = 1 - (1 - saturate(wash, 1.45)) * (0.52 + 0.42 * pool)[..., None]
    light = 0.06 + 0.94 * light
    tinted = light * (1 - edge[..., None] * (0.45 + 0.55 * (1 - saturate(wash, 1.5))))
    tinted = tinted - 0.05 * (paper * (0.4 + 0.6 * (1 - luminance(tinted))))[..., None]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    rim = np.minimum(np.minimum(x, w - 1 - x), np.minimum(y, h - 1 - y)) - 7 * u * noise(
        (h, w), 12, rng
    )
    bare = np.clip(1 - rim / (2.5 * u), 0, 1)[..., None]
    return np.clip(tinted * (1 - bare) + bare * np.array([0.975, 0.965, 0.94], np.float32), 0, 1)


def oil(picture: Array, rng: np.random.Generator) -> Array:
    """Flat dabs dragged along a flow, with the relief of the brush."""
    u = unit_of(picture)
    h, w = picture.shape[:2]
    flow = noise((h, w), 30 * u, rng)
    bumps = rng.random((h, w), dtype=np.float32)
    y, x = np.mgrid[0:h, 0:w]
    streak = np.zeros((h, w), np.float32)
    jitter = np.zeros((h, w, 3), np.float32)
    base = kuwahara(picture, 4 * u)
    for k in range(-3, 4):
        yy = np.clip(np.rint(y + k * u * np.sin(6.3 * flow)), 0, h - 1).astype(np.intp)
        xx = np.clip(np.rint(x + k * u * np.cos(6.3 * flow)), 0, w - 1).astype(np.intp)
        streak += bumps[yy, xx]
        jitter += base[yy, xx]
    streak /= 7
    paint = kuwahara(0.5 * base + 0.5 * jitter / 7, 3 * u)
    p = np.pad(streak, 1, mode="edge")
    relief = (p[:-2, :-2] - p[2:, 2:]) * 0.55
    rich = saturate(paint, 1.3)
    rich = np.clip(rich + 0.08 * (rich - 0.5), 0, 1)
    return np.clip(rich * (1 + 0.4 * (streak - 0.5))[..., None] + relief[..., None] * 0.55, 0, 1)


def neon(picture: Array, rng: np.random.Generator) -> Array:
    """Edges as glowing tubes on near-black."""
    u = unit_of(picture)
    h, w = picture.shape[:2]
    g = box(luminance(kuwahara(picture, 3 * u)), 1)
    edge = gradient(g)
    edge = np.clip((edge - 0.035) * 6.5, 0, 1)
    hue = saturate(blur(picture, 2.0 * u), 4.0)
    hue = hue / np.maximum(0.35, hue.max(axis=2, keepdims=True))
    cast = noise((h, w), 60, rng)[..., None]
    vivid = np.array([1.0, 0.15, 0.75], np.float32) * cast + np.array(
        [0.1, 0.9, 1.0], np.float32
    ) * (1 - cast)
    chroma = picture.max(axis=2, keepdims=True) - picture.min(axis=2, keepdims=True)
    mix = np.clip(blur(chroma[..., 0], 2)[..., None] * 2.2, 0, 0.75)
    tube = (vivid * (1 - mix) + hue * mix) * edge[..., None]
    halo = blur(np.clip(tube, 0, 1), 4.0 * u) * 1.3 + blur(np.clip(tube, 0, 1), 9.0 * u)
    ground = np.array([0.03, 0.02, 0.09], np.float32) + 0.07 * picture
    core = np.clip(edge - 0.72, 0, 1)[..., None] * 2.0
    return np.clip(ground + tube + halo + core, 0, 1)


def pixel(picture: Array, rng: np.random.Generator) -> Array:
    """Blocks of four pixels in a palette of five levels a channel."""
    side = 4 * unit_of(picture)
    h, w = picture.shape[:2]
    small = to_image(picture).resize((max(1, w // side), max(1, h // side)), Image.Resampling.BOX)
    a = saturate(to_array(small), 1.5)
    a = np.clip((a - 0.5) * 1.2 + 0.5, 0, 1)
    a = np.rint(a * 4) / 4
    up = np.repeat(np.repeat(a, side, axis=0), side, axis=1)
    return np.pad(up, ((0, h - up.shape[0]), (0, w - up.shape[1]), (0, 0)), mode="edge").astype(
        np.float32
    )


def grayscale(picture: Array, rng: np.random.Generator) -> Array:
    """Luma only."""
    return np.repeat(luminance(picture)[..., None], 3, axis=2)


def blueprint(picture: Array, rng: np.random.Generator) -> Array:
    """White lines and a grid on blue."""
    u = unit_of(picture)
    h, w = picture.shape[:2]
    stroke = np.clip(
        lines(picture, 1.6 * u, 16)
        + np.clip(gradient(box(luminance(picture), 1)) * 3.2 - 0.14, 0, 1),
        0,
        1,
    )
    ground = (
        np.array([0.07, 0.23, 0.52], np.float32) * (0.9 + 0.2 * noise((h, w), 40, rng))[..., None]
    )
    ground = ground + 0.10 * (luminance(blur(picture, 2))[..., None] - 0.5)
    step = 16 * u
    grid = np.zeros((h, w), np.float32)
    grid[step // 2 :: step] = 0.13
    grid[:, step // 2 :: step] = 0.13
    out = ground + grid[..., None]
    return np.clip(
        out * (1 - stroke[..., None]) + stroke[..., None] * np.array([0.90, 0.95, 1.0], np.float32),
        0,
        1,
    )


def comic(picture: Array, rng: np.random.Generator) -> Array:
    """Few flat tones under black outlines."""
    u = unit_of(picture)
    flat = kuwahara(kuwahara(picture, 4 * u), 4 * u)
    g = luminance(flat)[..., None]
    even = 0.5 * g + 0.5 * stretch(g[..., 0])[..., None]
    steps = np.rint(even * 4.4) / 4.4 * 0.8 + 0.17
    vivid = saturate(flat * (steps / np.maximum(g, 0.1)), 1.5)
    stroke = lines(flat, 2.0 * u, 26, 0.014)[..., None]
    return np.clip(vivid * (1 - stroke) + 0.04 * stroke, 0, 1)


def sepia(picture: Array, rng: np.random.Generator) -> Array:
    """Brown tones, grain and a vignette."""
    h, w = picture.shape[:2]
    g = luminance(picture)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    far = ((x / w - 0.5) ** 2 + (y / h - 0.5) ** 2)[..., None]
    tone = (0.12 + 0.82 * g)[..., None] ** np.array([0.72, 1.0, 1.5], np.float32)
    grain = (rng.random((h, w), dtype=np.float32) - 0.5)[..., None] * 0.05
    return np.clip(tone * (1.04 - 0.75 * far) + grain, 0, 1)


def glass(picture: Array, rng: np.random.Generator) -> Array:
    """Saturated panes of a jittered Voronoi pattern in dark lead."""
    u = unit_of(picture)
    h, w = picture.shape[:2]
    cell = 13 * u
    rows, cols = h // cell + 4, w // cell + 4
    seeds = rng.uniform(0.1, 0.9, (rows, cols, 2)).astype(np.float32)
    y, x = np.mgrid[0:h, 0:w]
    cy, cx = y // cell + 1, x // cell + 1
    first = np.full((h, w), np.inf, np.float32)
    second = first.copy()
    owner = np.zeros((h, w), np.intp)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            s = seeds[cy + dy, cx + dx]
            sy, sx = (cy + dy - 1 + s[..., 0]) * cell, (cx + dx - 1 + s[..., 1]) * cell
            d = np.sqrt((sy - y) ** 2 + (sx - x) ** 2).astype(np.float32)
            nearer = d < first
            second = np.where(nearer, first, np.minimum(second, d))
            owner = np.where(nearer, (cy + dy) * cols + cx + dx, owner)
            first = np.where(nearer, d, first)
    flat = owner.ravel()
    count = np.maximum(1, np.bincount(flat, minlength=rows * cols))
    means = [np.bincount(flat, picture[..., c].ravel(), rows * cols) / count for c in range(3)]
    panes = np.stack([m[owner] for m in means], axis=2).astype(np.float32)
    panes = saturate(np.clip(panes * 1.12 + 0.03, 0, 1), 2.1)
    lead = np.clip(1 - (second - first) / (1.9 * u), 0, 1)[..., None]
    sheen = (0.92 + 0.16 * noise((h, w), 9 * u, rng))[..., None]
    return np.clip(panes * sheen * (1 - lead) + 0.06 * lead, 0, 1)


STYLES: dict[str, Filter] = {
    "photo": photo,
    "pencil": pencil,
    "ink": ink,
    "watercolour": watercolour,
    "oil": oil,
    "neon": neon,
    "pixel": pixel,
    "grayscale": grayscale,
    "blueprint": blueprint,
    "comic": comic,
    "sepia": sepia,
    "glass": glass,
}
"""Every style by name; the order is part of what a seed means."""


def stylise(picture: Array, style: str, seed: int) -> Array:
    """`picture` in `style`; the same seed gives the same grain, hatching and strokes."""
    rng = np.random.default_rng((seed, list(STYLES).index(style)))
    return np.clip(STYLES[style](picture, rng), 0, 1).astype(np.float32)
