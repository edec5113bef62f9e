"""Turns a scene into pixels: a picture in any style, and exact masks, at any size."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.training.pen import Colour, Pen, Point, rgb, shade
from inference.training.styles import Array, blur, noise, stylise, to_image
from inference.training.subjects import SUBJECTS, pine, tree
from inference.training.world import Scene

LABELS = {"sky": 0, "far": 1, "near": 2, "ground": 3, "water": 4, "subject": 5, "props": 6}
"""What a pixel of the label map means."""

SKIES: dict[str, tuple[Colour, Colour]] = {
    "day": ((0.30, 0.55, 0.86), (0.78, 0.88, 0.95)),
    "dawn": ((0.52, 0.56, 0.78), (0.98, 0.80, 0.74)),
    "sunset": ((0.34, 0.28, 0.52), (0.99, 0.58, 0.26)),
    "night": ((0.04, 0.06, 0.18), (0.17, 0.22, 0.42)),
}
LIGHT: dict[str, Colour] = {
    "day": (1.0, 1.0, 1.0),
    "dawn": (0.98, 0.84, 0.82),
    "sunset": (0.95, 0.68, 0.52),
    "night": (0.36, 0.40, 0.60),
}
GROUND: dict[str, Colour] = {
    "summer": (0.36, 0.56, 0.24),
    "spring": (0.48, 0.68, 0.32),
    "autumn": (0.64, 0.50, 0.24),
    "winter": (0.90, 0.93, 0.97),
}
LEAF: dict[str, Colour] = {
    "summer": (0.20, 0.44, 0.18),
    "spring": (0.46, 0.66, 0.28),
    "autumn": (0.80, 0.40, 0.14),
    "winter": (0.74, 0.80, 0.82),
}
GREY = {"clear": 0.0, "cloudy": 0.45, "fog": 0.55, "rain": 0.7, "snow": 0.6}


def _ridge_line(heights: tuple[float, ...], width: int, rough: Array) -> Array:
    at = np.linspace(0, len(heights) - 1, width)
    low = np.floor(at).astype(int).clip(0, len(heights) - 2)
    t = at - low
    t = t * t * (3 - 2 * t)
    table = np.array(heights)
    line = table[low] * (1 - t) + table[low + 1] * t
    return (line + 0.025 * (rough - 0.5)).astype(np.float32)


def _prop(pen: Pen, name: str) -> None:
    if name == "tree":
        tree(pen)
    elif name == "pine":
        pine(pen)
    elif name == "bush":
        pen.disc(-0.25, 0.2, 0.4, shade(pen.leaf, 0.8), 0.3)
        pen.disc(0.25, 0.25, 0.4, shade(pen.leaf, 1.0), 0.35)
    elif name == "rock":
        pen.poly(
            [(-0.5, 0), (-0.35, 0.4), (0.05, 0.55), (0.45, 0.3), (0.55, 0)], (0.52, 0.50, 0.48)
        )
    elif name == "flower":
        petal = pen.pick(((0.9, 0.3, 0.3), (0.95, 0.8, 0.3), (0.9, 0.6, 0.8)))
        for x in (-0.4, 0.0, 0.35):
            pen.line([(x, 0), (x, 0.45)], 0.06, (0.3, 0.5, 0.2))
            pen.disc(x, 0.55, 0.16, petal)
    else:
        for x in (-0.8, -0.3, 0.2, 0.7):
            pen.box(x - 0.06, 0, x + 0.06, 0.6, (0.55, 0.42, 0.3))
        pen.line([(-0.9, 0.4), (0.8, 0.4)], 0.09, (0.5, 0.38, 0.27))


class _Canvas:
    """The flat layers of a scene, drawn at twice the size and reduced."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        self.scene = scene
        self.w, self.h = width, height
        self.rng = np.random.default_rng((11, scene.seed))
        big = (2 * width, 2 * height)
        self.colour = Image.new("RGB", big)
        self.labels = Image.new("L", big, LABELS["sky"])
        self.light = Image.new("L", big, 0)
        self.pens = [ImageDraw.Draw(i) for i in (self.colour, self.labels, self.light)]
        self._land()
        self._things()

    def _fill(self, points: list[Point], colour: Colour, label: str) -> None:
        self.pens[0].polygon(points, fill=rgb(colour))
        self.pens[1].polygon(points, fill=LABELS[label])

    def _pen(self, origin: Point, unit: float, flip: bool, label: str) -> Pen:
        return Pen(
            layers=self.pens,
            origin=origin,
            unit=unit,
            flip=flip,
            label=LABELS[label],
            rng=self.rng,
            leaf=LEAF[self.scene.season],
            usual=self.scene.usual_colours,
        )

    def _land(self) -> None:
        s, w, h = self.scene, 2 * self.w, 2 * self.h
        ground, leaf = GROUND[s.season], LEAF[s.season]
        sky = SKIES[s.time][1]
        x = np.linspace(0, w, 65)
        for name, heights, colour, haze in (
            ("far", s.far_ridge, (0.42, 0.48, 0.56), 0.35),
            ("near", s.near_ridge, leaf, 0.12),
        ):
            rough = np.array(self.rng.random(65), np.float32)
            line = (s.horizon - _ridge_line(heights, 65, rough)) * h
            r, g, b = (c * (1 - haze) + k * haze for c, k in zip(colour, sky, strict=True))
            self._fill(
                [*zip(x.tolist(), line.tolist(), strict=True), (w, h), (0, h)], (r, g, b), name
            )
        self._fill([(0, s.horizon * h), (w, s.horizon * h), (w, h), (0, h)], ground, "ground")
        if s.water:
            shore = s.waterline * h + 0.012 * h * np.sin(np.linspace(0, 9, 33) + s.seed % 7)
            edge = list(zip(np.linspace(0, w, 33).tolist(), shore.tolist(), strict=True))
            self._fill([*edge, (w, h), (0, h)], (0.22, 0.42, 0.56), "water")

    def _things(self) -> None:
        s, w, h = self.scene, 2 * self.w, 2 * self.h
        for name, x, y, size in s.props:
            if s.water and y > s.waterline:
                continue
            _prop(
                self._pen((x * w, y * h), size * h, False, "props"),
                name,
            )
        unit = s.subject_size * min(h, 1.25 * w)
        origin = (s.subject_x * w, s.subject_base * h)
        SUBJECTS[s.subject](self._pen(origin, unit, s.flipped, "subject"))


def _sky(scene: Scene, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    h, w = shape
    top, low = (np.array(c, np.float32) for c in SKIES[scene.time])
    grey = GREY[scene.weather]
    mean = (top + low) / 2
    dull = np.full(3, float(mean.mean()), np.float32)
    top, low = (c * (1 - grey) + dull * grey for c in (top, low))
    fall = (
        np.clip(np.linspace(0, 1, h, dtype=np.float32) / scene.horizon, 0, 1)[:, None, None] ** 1.3
    )
    sky = np.broadcast_to(top * (1 - fall) + low * fall, (h, w, 3)).copy()
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    bx, by = scene.body[0] * w, scene.body[1] * h
    if scene.time in ("sunset", "dawn"):
        by = (scene.horizon - 0.22 + 0.4 * scene.body[1]) * h
    away = np.sqrt((x - bx) ** 2 + (y - by) ** 2) / (scene.body_size * min(h, w))
    if scene.time == "night":
        stars = (rng.random((h, w)) > 0.9965) * (1 - grey) * rng.random((h, w)) * 0.9
        sky += stars[..., None].astype(np.float32)
        disc, halo = (
            np.array([0.96, 0.95, 0.86], np.float32),
            np.array([0.3, 0.34, 0.45], np.float32),
        )
    else:
        warm = scene.time in ("sunset", "dawn")
        disc = np.array([1.0, 0.86, 0.55] if warm else [1.0, 0.97, 0.82], np.float32)
        halo = np.array([0.5, 0.28, 0.08] if warm else [0.2, 0.18, 0.12], np.float32)
    seen = 1 - 0.85 * grey
    sky += halo * (seen * np.exp(-np.maximum(away - 1, 0) * 0.55))[..., None]
    solid = np.clip((1 - away) * scene.body_size * min(h, w) + 0.5, 0, 1)[..., None] * seen
    sky = sky * (1 - solid) + disc * solid
    cloud = (
        0.55 * noise((h, w), w / 4, rng)
        + 0.3 * noise((h, w), w / 9, rng)
        + 0.15 * noise((h, w), w / 22, rng)
    )
    cover = np.clip((cloud - (0.62 - 0.25 * grey)) * 4.5, 0, 1)[..., None] * (
        0.85 if scene.weather != "fog" else 0.4
    )
    white = np.clip(np.array(SKIES[scene.time][1], np.float32) * (1.18 - 0.45 * grey) + 0.04, 0, 1)
    return np.clip(sky * (1 - cover) + white * cover, 0, 1)


def photograph(scene: Scene, size: tuple[int, int]) -> Array:
    """The scene as a photograph: float32 [height, width, 3] in 0..1; `size` is (width, height)."""
    w, h = size
    canvas = _Canvas(scene, w, h)
    rng = np.random.default_rng((13, scene.seed))
    sky = _sky(scene, (h, w), rng)
    flat = np.asarray(canvas.colour.reduce(2), np.float32) / 255
    land = (
        np.asarray(canvas.labels.point(lambda v: 255 if v else 0).reduce(2), np.float32)[..., None]
        / 255
    )
    labels = np.asarray(canvas.labels)[::2, ::2]
    glow = np.asarray(canvas.light.reduce(2), np.float32) / 255
    fine, coarse = noise((h, w), 2.2, rng), noise((h, w), 14, rng)
    amount = np.array([0, 0.10, 0.18, 0.2, 0.06, 0.08, 0.18], np.float32)[labels]
    lit = flat * (1 + amount * (0.9 * (fine - 0.5) + 0.9 * (coarse - 0.5)))[..., None]
    x = np.linspace(0, 1, w, dtype=np.float32)[None, :]
    side = np.sign(scene.body[0] - scene.subject_x) or 1.0
    turn = np.clip((x - scene.subject_x) / scene.subject_size * side, -0.6, 0.6)
    lit = lit * np.where(labels == LABELS["subject"], 1 + 0.38 * turn, 1)[..., None]
    depth = np.clip(
        (np.linspace(0, 1, h, dtype=np.float32)[:, None] - scene.horizon) / (1 - scene.horizon),
        0,
        1,
    )
    lit = lit * np.where(labels == LABELS["ground"], 1.06 - 0.22 * depth, 1)[..., None]
    light = np.array(LIGHT[scene.time], np.float32) * (1 - 0.18 * GREY[scene.weather])
    lit = lit * light * np.array(scene.tint, np.float32)
    if scene.season == "winter" or scene.weather == "snow":
        settled = (
            np.clip((fine - 0.42) * 5, 0, 1)
            * np.isin(labels, (1, 2, 3))
            * (0.4 if scene.weather == "snow" else 0.22)
        )
        lit = (
            lit * (1 - settled[..., None])
            + settled[..., None] * np.array([0.93, 0.95, 1.0], np.float32) * light
        )
    if scene.time in ("night", "sunset", "dawn"):
        strong = 1.0 if scene.time == "night" else 0.7
        lamp = np.array([1.0, 0.80, 0.38], np.float32)
        lit = lit * (1 - strong * glow[..., None]) + strong * glow[..., None] * lamp
        lit = lit + blur(glow, 5)[..., None] * lamp * 0.55 * strong
    picture = sky * (1 - land) + lit * land
    if scene.water:
        picture = _reflect(scene, picture, labels, rng)
    return _weather(scene, picture, labels, rng)


def _reflect(
    scene: Scene, picture: Array, labels: NDArray[np.uint8], rng: np.random.Generator
) -> Array:
    h, w = picture.shape[:2]
    row = min(h - 1, math.ceil(scene.waterline * h))
    y, x = np.mgrid[0:h, 0:w]
    ripple = (noise((h, w), 5, rng) - 0.5) * np.clip((y - row) / 6, 0, 3)
    yy = np.clip(2 * row - y, 0, h - 1)
    xx = np.clip(np.rint(x + 2.4 * ripple), 0, w - 1).astype(np.intp)
    mirror = blur(picture[yy, xx], 0.8)
    tone = np.array([0.72, 0.82, 0.88], np.float32)
    glint = (noise((h, w), 3, rng) > 0.83)[..., None] * 0.07
    water = 0.62 * mirror * tone + 0.38 * picture + glint * mirror
    return np.where((labels == LABELS["water"])[..., None], water, picture).astype(np.float32)


def _weather(
    scene: Scene, picture: Array, labels: NDArray[np.uint8], rng: np.random.Generator
) -> Array:
    h, w = picture.shape[:2]
    if scene.weather == "fog":
        near = np.array([0.75, 0.8, 0.62, 0.4, 0.4, 0.22, 0.42], np.float32)[labels]
        veil = np.clip(blur(near, 2) * (0.75 + 0.5 * noise((h, w), w / 5, rng)), 0, 0.9)[..., None]
        mist = (
            np.array(LIGHT[scene.time], np.float32) * 0.5
            + np.array(SKIES[scene.time][1], np.float32) * 0.42
        )
        picture = picture * (1 - veil) + mist * veil
    elif scene.weather in ("rain", "snow"):
        fall = rng.random((h, w), dtype=np.float32)
        if scene.weather == "rain":
            drops = blur((fall > 0.982).astype(np.float32), 0.5)
            steps = [np.roll(drops, (k, -k // 3), (0, 1)) for k in range(6)]
            picture = np.clip(picture * 0.92 + (np.sum(steps, axis=0) * 0.17)[..., None], 0, 1)
        else:
            flakes = blur((fall > 0.9945).astype(np.float32), 0.7) * 2.2
            picture = np.clip(
                picture
                + np.clip(flakes, 0, 0.9)[..., None] * (0.95 - 0.4 * (scene.time == "night")),
                0,
                1,
            )
    grain = (rng.random((h, w), dtype=np.float32) - 0.5)[..., None] * 0.02
    return np.clip(picture + grain, 0, 1).astype(np.float32)


def render(scene: Scene, style: str, size: tuple[int, int]) -> Image.Image:
    """The scene in a style (a key of `STYLES`), RGB; `size` is (width, height) in pixels."""
    return to_image(stylise(photograph(scene, size), style, scene.seed))


def label_map(scene: Scene, size: tuple[int, int]) -> NDArray[np.uint8]:
    """What each pixel shows, uint8 [height, width], by `LABELS`."""
    return np.asarray(_Canvas(scene, *size).labels)[::2, ::2].copy()


def subject_box(scene: Scene, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is seen of the subject in a picture of `size`, in shares
    of its width and height; all of the picture where nothing is.
    """
    w, h = (max(1, round(64 * side / max(size))) for side in size)
    rows, columns = np.nonzero(label_map(scene, (w, h)) == LABELS["subject"])
    if not len(rows):
        return 0.0, 0.0, 1.0, 1.0
    left, top = int(columns.min()), int(rows.min())
    return left / w, top / h, (int(columns.max()) + 1) / w, (int(rows.max()) + 1) / h


def outlines(scene: Scene, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Where one thing ends and another begins, by day the sun's edge too: uint8
    [height, width], 0 or 255.

    Lines are one or two pixels wide. Light, clouds and reflections have none.
    """
    w, h = size
    canvas = _Canvas(scene, w, h)
    land = np.asarray(canvas.labels) != LABELS["sky"]
    sun = Image.new("L", (2 * w, 2 * h))
    x, y = 2 * w * scene.body[0], 2 * h * scene.body[1]
    radius = 2 * scene.body_size * min(w, h)
    ImageDraw.Draw(sun).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    # Every part of a thing has one colour before it is lit.
    flat = np.where(land[..., None], np.asarray(canvas.colour), np.asarray(sun)[..., None])
    layers = np.dstack([flat, np.asarray(canvas.labels)])
    edge = np.zeros(land.shape, bool)
    edge[:, 1:] |= (layers[:, 1:] != layers[:, :-1]).any(axis=2)
    edge[1:] |= (layers[1:] != layers[:-1]).any(axis=2)
    return edge.reshape(h, 2, w, 2).max(axis=(1, 3)).astype(np.uint8) * 255


def mask(scene: Scene, what: str, size: tuple[int, int]) -> Image.Image:
    """Where `what` (a key of `LABELS`) is visible: mode L, 255 inside, 0 outside."""
    return Image.fromarray(((label_map(scene, size) == LABELS[what]) * 255).astype(np.uint8))
