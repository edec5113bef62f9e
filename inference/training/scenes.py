"""A pile of the world's photographs on disk, and crops of real photographs in their own colours."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from inference.training.data import Pixels
from inference.training.photographs import Photograph
from inference.training.rendering import photograph
from inference.training.styles import stylise
from inference.training.world import scene


def picture_of(seed: int, size: tuple[int, int], style: str = "photo") -> Pixels:
    """The scene of a seed in a style: uint8 [height, width, 3]; `size` is (width, height)."""
    made = stylise(photograph(scene(seed), size), style, seed)
    return (made * 255 + 0.5).astype(np.uint8)


class Make(Protocol):
    """Makes a picture, uint8 [height, width, channels]; `size` is (width, height)."""

    def __call__(self, seed: int, /, size: tuple[int, int]) -> Pixels:
        """The same for the same seed."""


def pictures_of(
    seeds: Iterable[int], size: tuple[int, int], processes: int = 1, make: Make = picture_of
) -> Iterator[Pixels]:
    """What `make` makes of many seeds, in order."""
    one = partial(make, size=size)
    if processes <= 1:
        yield from map(one, seeds)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(one, seeds, chunksize=8)


def pile(
    folder: Path,
    seeds: range,
    side: int,
    processes: int = 1,
    *,
    make: Make = picture_of,
    name: str = "scenes",
    channels: int = 3,
) -> Pixels:
    """The squares of `seeds`, uint8 [n, side, side, channels], rendered once and then kept in
    `folder` under `name`.
    """
    path = folder / f"{name}-{side}-{seeds.start}-{seeds.stop}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        made = np.lib.format.open_memmap(
            beside, mode="w+", dtype=np.uint8, shape=(len(seeds), side, side, channels)
        )
        drawn = pictures_of(seeds, (side, side), processes, make)
        for i, one in enumerate(tqdm(drawn, total=len(seeds), unit="scene", mininterval=5)):
            made[i] = one
        made.flush()
        del made
        beside.replace(path)
    kept: Pixels = np.load(path, mmap_mode="r")
    return kept


def natural_crop(photo: Photograph, side: int, rng: np.random.Generator) -> Pixels:
    """A random square of a photograph, at times mirrored: uint8 [side, side, 3]."""
    image = photo.image
    widest = min(image.width, image.height)
    box = int(np.exp(rng.uniform(np.log(min(side, widest)), np.log(widest))))
    x = int(rng.integers(0, image.width - box + 1))
    y = int(rng.integers(0, image.height - box + 1))
    part = image.resize((side, side), Image.Resampling.LANCZOS, box=(x, y, x + box, y + box))
    return np.asarray(ImageOps.mirror(part) if rng.random() < 0.5 else part)


class Scenery:
    """Where crops of colour pictures come from: piles of scenes, and photographs."""

    def __init__(
        self, piles: Sequence[Pixels], photos: Sequence[Photograph], *, photo_share: float = 0.2
    ) -> None:
        self._piles = list(piles)
        self._photos = list(photos)
        self._share = photo_share if photos else 0.0

    def crop(self, side: int, rng: np.random.Generator) -> Pixels:
        """One square, uint8 [side, side, 3]; twice too large a scene is cropped or halved."""
        if rng.random() < self._share:
            weights = np.array([p.weight for p in self._photos])
            chosen = int(rng.choice(len(self._photos), p=weights / weights.sum()))
            return natural_crop(self._photos[chosen], side, rng)
        pile = self._piles[int(rng.integers(len(self._piles)))]
        whole = pile[int(rng.integers(len(pile)))]
        if rng.random() < 0.5:
            whole = whole[:, ::-1]
        if whole.shape[0] >= 2 * side and rng.random() < 0.5:
            whole = np.asarray(Image.fromarray(whole).reduce(2))
        y = int(rng.integers(0, whole.shape[0] - side + 1))
        x = int(rng.integers(0, whole.shape[1] - side + 1))
        return np.ascontiguousarray(whole[y : y + side, x : x + side])
