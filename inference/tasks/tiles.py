"""A picture cut into overlapping tiles of one size, and put together again without seams."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isqrt, pi

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.limits import MIN_SIDE
from inference.model_info import ModelInfo
from inference.tasks.frame import grid

OVERLAP = 4
"""A tile's side is this many times what it shares with the next one, at least."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiling:
    """Where the tiles of a picture lie.

    size: of the picture, width and height in pixels; tile: of each tile. A picture that is
    smaller than a tile is filled up at the right and below.
    """

    size: tuple[int, int]
    tile: tuple[int, int]

    @classmethod
    def of(cls, size: tuple[int, int], info: ModelInfo) -> "Tiling":
        """Tiles of the model's native side, or shorter where the picture is."""
        step = grid(info)
        least = ceil(MIN_SIDE / step) * step
        native = max(least, isqrt(info.pixel_budget) // step * step)
        width, height = (min(native, max(least, ceil(side / step) * step)) for side in size)
        return cls(size=size, tile=(width, height))

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Left and upper edge of each tile, row by row."""
        return [(x, y) for y in self._starts(1) for x in self._starts(0)]

    def cut(self, picture: Image.Image) -> Iterator[Image.Image]:
        """The tiles of an RGB picture, in the order of `corners`."""
        right, below = (max(0, self.tile[i] - self.size[i]) for i in (0, 1))
        padded = np.pad(np.asarray(picture), ((0, below), (0, right), (0, 0)), mode="edge")
        width, height = self.tile
        for x, y in self.corners:
            yield Image.fromarray(padded[y : y + height, x : x + width])

    def joined(self, tiles: Iterable[Pixels]) -> Image.Image:
        """The picture of tiles, each [height, width, 3] and in the order of `corners`.

        Where two meet, one fades into the other along half a cosine; the weights of all tiles
        are 1 together, everywhere.
        """
        columns, rows = self._weights(0), self._weights(1)
        width, height = (max(self.size[i], self.tile[i]) for i in (0, 1))
        whole = np.zeros((height, width, 3), dtype=np.float32)
        places = [(row, column) for row in range(len(rows)) for column in range(len(columns))]
        for (row, column), (x, y), tile in zip(places, self.corners, tiles, strict=True):
            across = columns[column][x : x + self.tile[0]]
            down = rows[row][y : y + self.tile[1]]
            place = whole[y : y + self.tile[1], x : x + self.tile[0]]
            place += tile * (down[:, None] * across)[..., None]
        np.rint(whole, out=whole)
        np.clip(whole, 0, 255, out=whole)
        return Image.fromarray(whole.astype(np.uint8)).crop((0, 0, *self.size))

    def _starts(self, axis: int) -> list[int]:
        """Evenly spread from the first edge to the last."""
        side, tile = max(self.size[axis], self.tile[axis]), self.tile[axis]
        shared = tile // OVERLAP
        count = ceil((side - shared) / (tile - shared))
        return [round(i * (side - tile) / max(1, count - 1)) for i in range(count)]

    def _weights(self, axis: int) -> Pixels:
        """Of each tile at each place along the axis, [tiles, places]."""
        starts, tile = self._starts(axis), self.tile[axis]
        places = np.arange(max(self.size[axis], tile), dtype=np.float32) + 0.5
        reach = tile // OVERLAP
        # How far each tile has given way to those after it; the first to none before it.
        gone = [np.ones_like(places)]
        for this, following in pairwise(starts):
            middle = (following + this + tile) / 2
            share = ((places - middle) / reach + 0.5).clip(0, 1)
            gone.append((1 - np.cos(pi * share)) / 2)
        gone.append(np.zeros_like(places))
        return np.stack([before - after for before, after in pairwise(gone)])
