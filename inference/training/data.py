"""Groups of pictures that show one thing in several hands, made from a seed in many processes.

A group holds pictures of the same geometry: a scene or a photograph as it is, and the same in
other styles, at another hour, with another subject. Any picture of a group may be the source of
any other, which is what pair training and image-to-image training draw from.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.training.photographs import Photograph, crop, dead_leaves, photographs
from inference.training.rendering import photograph, subject_box
from inference.training.styles import STYLES, Array, blur, luminance, stylise
from inference.training.world import (
    HELD_OUT,
    Scene,
    at_another_hour,
    close_up,
    scene,
    with_another_subject,
)

Pixels = NDArray[np.uint8]

STYLE_WEIGHTS = {
    "photo": 0.7,
    "grayscale": 0.6,
    "sepia": 0.7,
    "pencil": 1.3,
    "watercolour": 1.3,
    "oil": 1.3,
}
WORLD = 0.55
"""Share of the groups that show the world."""
LEAVES = 0.14 / 0.45
"""Share of the others that show dead leaves, not a photograph."""
GRADES = ("night", "sunset", "winter", "fog")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a caption may say of a picture."""

    style: str
    subject: str = ""
    """A subject's name in the world, or words for a photograph; may be empty."""
    kind: str = "world"
    """world, photograph or leaves."""
    time: str = ""
    season: str = ""
    weather: str = ""
    water: bool = False
    body: int = 0
    """Which of the group's contents this shows: pictures of one body differ in style only."""
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Where the world's subject stands: left, top, right, bottom, in shares of the sides."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures of one geometry, uint8 [n, height, width, 3], and what each shows."""

    pixels: Pixels
    facts: tuple[Facts, ...]


def facts_of(it: Scene, style: str, body: int = 0) -> Facts:
    """The facts of a scene rendered in a style."""
    return Facts(
        style=style,
        subject=it.subject,
        time=it.time,
        season=it.season,
        weather=it.weather,
        water=it.water,
        body=body,
    )


def grade(picture: Array, what: str) -> Array:
    """A photograph by another light: night, sunset, winter or fog."""
    g = luminance(picture)[..., None]
    if what == "night":
        out = (0.35 * picture + 0.65 * g) ** 1.25 * np.array([0.36, 0.45, 0.80], np.float32) + 0.02
    elif what == "sunset":
        out = (0.6 * picture + 0.4 * g) * np.array([1.18, 0.80, 0.52], np.float32)
        out = out + np.linspace(0.12, 0, picture.shape[0], dtype=np.float32)[:, None, None] * [
            1.0,
            0.5,
            0.1,
        ]
    elif what == "winter":
        out = 0.25 * picture + 0.75 * np.clip(g * 1.25 + 0.1, 0, 1) * np.array(
            [0.92, 0.98, 1.08], np.float32
        )
    else:
        out = 0.45 * blur(picture, 1.5) + 0.55 * np.array([0.80, 0.82, 0.84], np.float32)
    return np.clip(out, 0, 1).astype(np.float32)


@cache
def _sources(extra: str) -> tuple[Photograph, ...]:
    return tuple(photographs(Path(extra) if extra else None))


def _draw_styles(count: int, rng: np.random.Generator) -> list[str]:
    names = list(STYLES)
    weights = np.array([STYLE_WEIGHTS.get(n, 1.0) for n in names])
    return [str(n) for n in rng.choice(names, count, replace=False, p=weights / weights.sum())]


def _world_bodies(
    seed: int, size: tuple[int, int], rng: np.random.Generator
) -> list[tuple[Array, Facts]]:
    first = scene(seed % HELD_OUT)
    scenes = [first, at_another_hour(first, rng)]
    if rng.random() < 0.5:
        scenes.append(with_another_subject(first, rng))
    return _photographed(scenes, size)


def _photographed(scenes: Iterable[Scene], size: tuple[int, int]) -> list[tuple[Array, Facts]]:
    return [
        (photograph(s, size), replace(facts_of(s, "photo", i), box=subject_box(s, size)))
        for i, s in enumerate(scenes)
    ]


def _photo_bodies(
    size: tuple[int, int], sources: tuple[Photograph, ...], leaves: bool, rng: np.random.Generator
) -> list[tuple[Array, Facts]]:
    weights = np.array([s.weight for s in sources])
    source = sources[int(rng.choice(len(sources), p=weights / weights.sum()))]
    real = crop(source, size, rng)
    if leaves:
        palette = real.reshape(-1, 3)[rng.integers(0, real.shape[0] * real.shape[1], 64)]
        body = dead_leaves(size, rng, palette if rng.random() < 0.7 else None)
        facts = Facts(style="photo", kind="leaves")
    else:
        body, facts = real, Facts(style="photo", kind="photograph", subject=source.words)
    bodies = [(body, facts)]
    if rng.random() < 0.35:
        what = str(rng.choice(GRADES))
        said = replace(
            facts,
            body=1,
            time=what if what in ("night", "sunset") else "",
            season=what if what == "winter" else "",
            weather=what if what == "fog" else "",
        )
        bodies.append((grade(body, what), said))
    return bodies


def group(
    seed: int,
    size: tuple[int, int],
    count: int = 6,
    *,
    extra: str = "",
    world: float = WORLD,
) -> Group:
    """The group of a seed: `count` pictures of `size` (width, height); of the world with
    probability `world`, otherwise two times in three of a photograph, else of dead leaves.
    """
    rng = np.random.default_rng((17, seed))
    sources = _sources(extra)
    kind = rng.random()
    if kind < world or not sources:
        bodies = _world_bodies(seed, size, rng)
    else:
        bodies = _photo_bodies(size, sources, kind > 1 - LEAVES * (1 - world), rng)
    styles = ["photo", *[s for s in _draw_styles(count, rng) if s != "photo"]][:count]
    shown = []
    for i, drawn in enumerate(styles):
        which, style = 0 if i < 3 else int(rng.integers(len(bodies))), drawn
        if i == len(styles) - 1 and len(bodies) > 1 and rng.random() < 0.5:
            which, style = 1, "photo"
        shown.append((bodies[which], style))
    return _gathered(seed, shown)


def composition(seed: int, size: tuple[int, int]) -> Group:
    """The group of a seed for the composer: one photograph of one thing, `close_up`."""
    (body,) = _photographed([close_up(scene(seed % HELD_OUT))], size)
    return _gathered(seed, [(body, "photo")])


def _gathered(seed: int, shown: Iterable[tuple[tuple[Array, Facts], str]]) -> Group:
    """Bodies as they are, repainted in the style beside each."""
    pixels, facts = [], []
    for (body, said), style in shown:
        pixels.append((stylise(body, style, seed) * 255 + 0.5).astype(np.uint8))
        facts.append(replace(said, style=style))
    return Group(pixels=np.stack(pixels), facts=tuple(facts))


def groups(
    make: Callable[[int], Group], seeds: Iterable[int], processes: int = 2
) -> Iterator[Group]:
    """What `make` makes of each of the seeds, in order; a function of a module, as of `partial`."""
    if processes <= 1:
        yield from map(make, seeds)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(make, seeds, chunksize=8)
