"""The world the embedded models know: a seed gives a scene with exact ground truth.

A `Scene` holds only facts (what stands where, when, in which weather). `rendering.render` turns it
into pixels, `captions.caption` into words. Seeds from `HELD_OUT` on are never trained on.
"""

from dataclasses import dataclass, replace

import numpy as np

from inference.training.subjects import SUBJECTS

TIMES = ("day", "dawn", "sunset", "night")
SEASONS = ("summer", "spring", "autumn", "winter")
WEATHERS = ("clear", "cloudy", "fog", "rain", "snow")
HELD_OUT = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One scene. Lengths are fractions: x of the width, y (downwards) and sizes of the height."""

    seed: int
    subject: str
    time: str
    season: str
    weather: str
    water: bool
    horizon: float
    """Where the ground or the water begins, 0.45..0.85 from the top."""
    waterline: float
    """Where land meets the water when there is any, below the horizon."""
    body: tuple[float, float]
    """Centre of the sun or the moon."""
    body_size: float
    far_ridge: tuple[float, ...]
    near_ridge: tuple[float, ...]
    """Heights above the horizon at equal steps from left to right."""
    subject_x: float
    subject_base: float
    subject_size: float
    flipped: bool
    props: tuple[tuple[str, float, float, float], ...]
    """Smaller things around the subject: name, x, y of the base, size."""
    tint: tuple[float, float, float]
    """How this scene's light differs from the usual, factors around 1."""
    usual_colours: bool = False
    """Whether everything has the colour that it has most often, not one of the seed's own."""


def _ridge(rng: np.random.Generator, low: float, high: float, points: int) -> tuple[float, ...]:
    return tuple(float(v) for v in rng.uniform(low, high, points))


def scene(seed: int) -> Scene:
    """The scene of a seed; the same on every machine."""
    rng = np.random.default_rng((7, seed))
    subject = str(rng.choice(list(SUBJECTS)))
    close = subject in ("cat", "cup", "person", "bird", "flower", "mushroom", "snowman")
    close = rng.random() < (0.8 if close else 0.2)
    horizon = float(rng.uniform(0.5, 0.72))
    water = bool(subject in ("boat", "bridge") or rng.random() < 0.35)
    waterline = float(min(0.93, horizon + rng.uniform(0.04, 0.16)))
    size = float(rng.uniform(0.55, 0.85) if close else rng.uniform(0.28, 0.5))
    base = float(
        rng.uniform(0.86, 1.0)
        if close
        else rng.uniform(0.0, 0.8) * (0.9 - horizon) + horizon + 0.03
    )
    if subject == "boat":
        base = max(base, waterline + 0.05)
    elif subject == "balloon":
        base = float(rng.uniform(0.45, 0.7))
    elif water and subject != "bridge" and not close:
        base = min(base, waterline)
    names = ("tree", "pine", "bush", "rock", "fence", "flower")
    props = tuple(
        (
            str(rng.choice(names)),
            float(rng.uniform(0, 1)),
            float(horizon + rng.uniform(0.01, 0.1)),
            float(rng.uniform(0.06, 0.24)),
        )
        for _ in range(int(rng.integers(0, 6)))
    )
    return Scene(
        seed=seed,
        subject=subject,
        time=str(rng.choice(TIMES, p=(0.4, 0.15, 0.22, 0.23))),
        season=str(rng.choice(SEASONS, p=(0.34, 0.2, 0.22, 0.24))),
        weather=str(rng.choice(WEATHERS, p=(0.48, 0.22, 0.1, 0.1, 0.1))),
        water=water,
        horizon=horizon,
        waterline=waterline,
        body=(float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.08, 0.34))),
        body_size=float(rng.uniform(0.035, 0.08)),
        far_ridge=_ridge(rng, 0.08, 0.36, int(rng.integers(4, 8))),
        near_ridge=_ridge(rng, 0.0, 0.17, int(rng.integers(4, 7))),
        subject_x=float(rng.uniform(0.3, 0.7)),
        subject_base=base,
        subject_size=size,
        flipped=bool(rng.random() < 0.5),
        props=tuple(sorted(props, key=lambda p: p[2])),
        tint=(float(rng.normal(1, 0.06)), 1.0, float(rng.normal(1, 0.06))),
    )


def at_another_hour(original: Scene, rng: np.random.Generator) -> Scene:
    """The same place and subject at another time, in another season or weather."""
    what = int(rng.integers(3))
    if what == 0:
        return replace(original, time=str(rng.choice(TIMES)))
    if what == 1:
        return replace(original, season=str(rng.choice(SEASONS)))
    return replace(original, weather=str(rng.choice(WEATHERS)))


def with_another_subject(original: Scene, rng: np.random.Generator) -> Scene:
    """The same place with something else standing in it."""
    others = [
        name for name in SUBJECTS if name not in (original.subject, "boat", "bridge", "balloon")
    ]
    return replace(original, subject=str(rng.choice(others)))


def close_up(original: Scene) -> Scene:
    """The same with its subject large and near the middle, as who names a thing expects to see it;
    mostly alone and in clear weather. The same for the same scene.
    """
    rng = np.random.default_rng((23, original.seed))
    base = float(rng.uniform(max(original.horizon + 0.08, 0.74), 0.95))
    water, waterline = original.water, original.waterline
    if original.subject == "boat":
        base = max(base, waterline + 0.05)
    elif original.subject == "balloon":
        base = float(rng.uniform(0.7, 0.85))
    elif original.subject != "bridge":
        waterline = max(waterline, base)
        water = water and waterline < 0.93
    return replace(
        original,
        subject_size=float(rng.uniform(0.52, 0.8)),
        subject_base=base,
        subject_x=float(rng.uniform(0.42, 0.58)),
        water=water,
        waterline=waterline,
        weather=original.weather if rng.random() < 0.6 else "clear",
        props=original.props if rng.random() < 0.3 else (),
    )
