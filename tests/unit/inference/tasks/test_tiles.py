"""Pictures cut into tiles and put together again."""

import numpy as np
import pytest

from inference.model_info import ModelInfo
from inference.tasks.tiles import OVERLAP, Tiling
from tests.photographs import photograph


def info(side: int = 64, multiple: int = 8) -> ModelInfo:
    return ModelInfo(id="", title="", location="", pixel_budget=side * side, multiple=multiple)


SIZES = [(201, 333), (64, 64), (65, 64), (63, 700), (20, 30), (129, 130), (1, 1), (113, 112)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("side", "multiple"), [(64, 8), (100, 16), (96, 12), (30, 8)])
def test_tiles_cover_the_picture_and_share_enough(
    size: tuple[int, int], side: int, multiple: int
) -> None:
    tiling = Tiling.of(size, info(side, multiple))
    covered = np.zeros((size[1], size[0]), dtype=bool)
    for x, y in tiling.corners:
        covered[y : y + tiling.tile[1], x : x + tiling.tile[0]] = True
    assert covered.all()
    for axis in (0, 1):
        tile, starts = tiling.tile[axis], sorted({corner[axis] for corner in tiling.corners})
        assert tile >= 64
        assert tile % 8 == tile % multiple == 0
        assert tile <= max(64, side) + multiple
        assert max(np.diff(starts), default=0) <= tile - tile // OVERLAP
        assert starts[-1] + tile <= max(size[axis], tile)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_cut_and_joined_is_the_picture(size: tuple[int, int]) -> None:
    picture = photograph("coffee").resize(size)
    tiling = Tiling.of(size, info())
    tiles = [np.asarray(tile, dtype=np.float32) for tile in tiling.cut(picture)]
    assert {tile.shape for tile in tiles} == {(tiling.tile[1], tiling.tile[0], 3)}
    assert tiling.joined(tiles).tobytes() == picture.tobytes()


def test_one_tile_fades_into_the_next() -> None:
    tiling = Tiling.of((100, 64), info())
    black, white = (np.full((64, 64, 3), level, dtype=np.float32) for level in (0, 255))
    row = np.asarray(tiling.joined([black, white]), dtype=int)[30, :, 0]
    assert (row[0], row[-1]) == (0, 255)
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() < 28  # of 255 in 16 pixels, along a cosine
