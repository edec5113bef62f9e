"""Pictures of the world with everything that the judge is to find in them, on disk."""

from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from inference.training.data import Pixels
from inference.training.rendering import LABELS, label_map, photograph
from inference.training.styles import STYLES, stylise
from inference.training.subjects import SUBJECTS
from inference.training.world import TIMES, scene

SIDE = 128
"""Side in pixels of the pictures that the judge looks at."""
COARSE = 32
"""Side of its label maps."""
COLOURED = ("photo", "watercolour", "oil", "pixel", "comic", "glass")
"""Styles in which the time of day can be seen: the others give the colours of the light away."""
UNSEEN = 255
"""Stands for a time that cannot be seen."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """n pictures and the truth about them.

    pixels: uint8 [n, SIDE, SIDE, 3]. styles, times, subjects: uint8 [n], places in `STYLES`,
    `TIMES` (or UNSEEN) and `SUBJECTS`. labels: uint8 [n, COARSE, COARSE], by `LABELS`.
    """

    pixels: Pixels
    styles: NDArray[np.uint8]
    times: NDArray[np.uint8]
    subjects: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def labels_of(seed: int) -> NDArray[np.uint8]:
    """The label map of a scene, [COARSE, COARSE]."""
    step = SIDE // COARSE
    return label_map(scene(seed), (SIDE, SIDE))[step // 2 :: step, step // 2 :: step].copy()


def question(seed: int, style: str | None = None) -> tuple[Pixels, tuple[int, int, int]]:
    """One picture of a scene, in a style that its seed chooses unless it is named.

    Every third is rendered twice as large and reduced, as a picture of a larger model will be.
    Gives it with the places of its style, time and subject.
    """
    rng = np.random.default_rng((37, seed))
    names = list(STYLES)
    style = style or str(rng.choice(names))
    it = scene(seed)
    side = 2 * SIDE if rng.random() < 1 / 3 else SIDE
    made = stylise(photograph(it, (side, side)), style, seed)
    pixels = (made * 255 + 0.5).astype(np.uint8)
    if side != SIDE:
        pixels = np.asarray(Image.fromarray(pixels).reduce(side // SIDE))
    time = TIMES.index(it.time) if style in COLOURED else UNSEEN
    return pixels, (names.index(style), time, list(SUBJECTS).index(it.subject))


def _asked(seed: int) -> tuple[Pixels, tuple[int, int, int], NDArray[np.uint8]]:
    return *question(seed), labels_of(seed)


def examine(seeds: range, processes: int = 1) -> Examination:
    """One question for each seed, rendered now."""
    made = []
    if processes <= 1:
        made = [_asked(seed) for seed in tqdm(seeds, unit="picture", mininterval=5, leave=False)]
    else:
        with get_context("spawn").Pool(processes) as pool:
            drawn = pool.imap(partial(_asked), seeds, chunksize=16)
            made = list(tqdm(drawn, total=len(seeds), unit="picture", mininterval=5))
    facts = np.array([facts for _, facts, _ in made], np.uint8)
    return Examination(
        pixels=np.stack([pixels for pixels, _, _ in made]),
        styles=facts[:, 0],
        times=facts[:, 1],
        subjects=facts[:, 2],
        labels=np.stack([labels for _, _, labels in made]),
    )


def kept(folder: Path, seeds: range, processes: int = 1) -> Examination:
    """`examine`, rendered once and then read from `folder`."""
    path = folder / f"examination-{seeds.start}-{seeds.stop}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = examine(seeds, processes)
        beside = path.with_suffix(".part.npz")
        np.savez(
            beside,
            pixels=made.pixels,
            styles=made.styles,
            times=made.times,
            subjects=made.subjects,
            labels=made.labels,
        )
        beside.replace(path)
    with np.load(path) as arrays:
        return Examination(**{name: arrays[name] for name in arrays.files})


def sky_line(labels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where the sky ends in each column, and where that is a ridge.

    labels: uint8 [h, w], by `LABELS`. Gives [w] shares of the height from the top, and [w] whether
    the sky ends at a ridge there and nothing stands before it.
    """
    sky = labels == LABELS["sky"]
    first = np.argmin(sky, axis=0)
    below = labels[first, np.arange(labels.shape[1])]
    ridge = np.isin(below, (LABELS["far"], LABELS["near"])) & (sky.sum(axis=0) == first)
    return first / labels.shape[0], ridge & (first > 0)
