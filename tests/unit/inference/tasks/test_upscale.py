"""Upscaling with creativity: what is asked for, and that no seam is seen."""

import numpy as np
import pytest
from PIL import Image

from inference.errors import RequestError
from inference.model_info import ModelInfo
from inference.options import Upscale
from inference.request import MAX_SEED, GenerationRequest
from inference.tasks.faithful import enlarged
from inference.tasks.files import as_png, opened
from inference.tasks.tiles import Tiling
from inference.tasks.upscale import KEPT, upscale
from tests.by_hand import by_hand
from tests.photographs import NAMES, photograph

INFO = ModelInfo(id="", title="", location="", pixel_budget=96 * 96, multiple=8)


def ask(
    picture: Image.Image, creativity: float, factor: int = 2, **changes: object
) -> GenerationRequest:
    options = Upscale(factor=factor, creativity=creativity)
    request = GenerationRequest(prompt="", task="upscale", image=as_png(picture), options=options)
    return request.change(**changes)


def tinted(source: Image.Image, seed: int) -> Image.Image:
    """Each tile in a colour of its own, as if every one had been painted by somebody else."""
    shift = np.random.default_rng(seed).uniform(-30, 30, 3)
    return Image.fromarray(np.clip(np.asarray(source) + shift, 0, 255).astype(np.uint8))


def as_it_is(source: Image.Image, seed: int) -> Image.Image:
    return source


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("size", "factor"), [((201, 333), 2), ((100, 67), 4), ((97, 48), 2)])
def test_no_border_of_a_tile_is_seen(name: str, size: tuple[int, int], factor: int) -> None:
    source = photograph(name, (60, 40, 360, 300)).resize(size)
    product, _ = by_hand(upscale(ask(source, 1, factor), INFO), tinted)
    made = np.asarray(opened(product.images[0].data), dtype=int)
    assert made.shape == (size[1] * factor, size[0] * factor, 3)
    faithful = np.asarray(enlarged(source, factor), dtype=int)
    tiling = Tiling.of((size[0] * factor, size[1] * factor), INFO)
    for axis in (0, 1):
        starts = {corner[axis] for corner in tiling.corners}
        borders = {
            b for s in starts for b in (s, s + tiling.tile[axis]) if 0 < b < made.shape[1 - axis]
        }
        lines, own = (one.swapaxes(0, axis) for one in (made, faithful))
        steps, theirs = np.abs(np.diff(lines, axis=1)), np.abs(np.diff(own, axis=1))
        for border in borders:
            # What the colours of the tiles add to a step, beside what the picture has there.
            assert steps[:, border - 1].max() <= theirs.max()
            added = np.abs(np.diff(lines - own, axis=1))[:, border - 1]
            assert added.mean() < 1.5
    assert abs(made - faithful).mean() < 1.5


def test_tiles_left_alone_would_be_seen() -> None:
    """That the test before can fail: the same tiles pasted, and their colours not held."""
    source = photograph("coffee", (60, 40, 261, 373))
    larger = enlarged(source, 2)
    tiling = Tiling.of(larger.size, INFO)
    pasted = larger.copy()
    for number, (corner, tile) in enumerate(zip(tiling.corners, tiling.cut(larger), strict=True)):
        pasted.paste(tinted(tile, number), corner)
    border = sorted({corner[0] for corner in tiling.corners})[1]
    change = np.asarray(pasted, dtype=int) - np.asarray(larger, dtype=int)
    assert np.abs(np.diff(change, axis=1))[:, border - 1].mean() > 5


def test_detail_is_taken_and_colour_is_not() -> None:
    def grained(source: Image.Image, seed: int) -> Image.Image:
        grain = np.random.default_rng(seed).normal(0, 12, (source.height, source.width, 1))
        return Image.fromarray(
            np.clip(np.asarray(source) // 2 + 90 + grain, 0, 255).astype(np.uint8)
        )

    source = Image.new("RGB", (120, 90), (120, 100, 90))
    product, _ = by_hand(upscale(ask(source, 0.5), INFO), grained)
    made = np.asarray(opened(product.images[0].data), dtype=float)
    assert np.abs(made.mean(axis=(0, 1)) - (120, 100, 90)).max() < 1
    assert made.std() > 8
    coarse = np.asarray(opened(product.images[0].data).reduce(4 * KEPT), dtype=float)
    assert np.abs(coarse - (120, 100, 90)).max() < 6


def test_every_tile_is_asked_for_in_one_round() -> None:
    request = ask(
        photograph("coffee", (0, 0, 150, 80)), 0.5, prompt="a cup", seed=MAX_SEED, count=3
    )
    product, (asked,) = by_hand(upscale(request, INFO), as_it_is)
    assert len(asked) == len(Tiling.of((300, 160), INFO).corners) > 4
    assert {one.task for one in asked} == {"img2img"}
    assert {(one.width, one.height, one.prompt) for one in asked} == {(96, 96, "a cup")}
    assert {one.strength for one in asked} == {0.3}
    seeds = [one.seed_of(index) for one in asked for index in range(3)]
    assert len(set(seeds)) == len(seeds)
    assert [image.seed for image in product.images] == [MAX_SEED, 0, 1]


def test_each_picture_is_made_again_by_its_seed_alone() -> None:
    request = ask(photograph("coffee", (0, 0, 90, 70)), 0.5, seed=MAX_SEED, count=2)
    both, _ = by_hand(upscale(request, INFO), tinted)
    alone, _ = by_hand(upscale(request.single(1), INFO), tinted)
    assert both.images[0].data != both.images[1].data
    assert both.images[1].data == alone.images[0].data


@pytest.mark.parametrize("size", [(201, 333), (7, 5), (40, 64)])
def test_what_a_model_leaves_as_it_is_is_faithful(size: tuple[int, int]) -> None:
    source = photograph("astronaut").resize(size)
    product, _ = by_hand(upscale(ask(source, 0.2), INFO), as_it_is)
    assert opened(product.images[0].data).tobytes() == enlarged(source, 2).tobytes()


def test_creativity_0_asks_no_model() -> None:
    source = photograph("coffee", (0, 0, 33, 51))
    product, asked = by_hand(upscale(ask(source, 0, 4, count=2, prompt="a cup"), INFO), as_it_is)
    assert asked == []
    assert {opened(image.data).tobytes() for image in product.images} == {
        enlarged(source, 4).tobytes()
    }
    assert [image.seed for image in product.images] == [0, 1]
    assert [note.split(":")[0] for note in product.notes] == [
        "The prompt did nothing",
        "All 2 pictures are alike",
    ]
    quiet, _ = by_hand(upscale(ask(source, 0), INFO), as_it_is)
    assert quiet.notes == ()


def test_a_size_beside_the_factor_is_refused() -> None:
    source = photograph("coffee", (0, 0, 64, 64))
    with pytest.raises(RequestError, match="2× as large"):
        next(upscale(ask(source, 0, width=512, height=512), INFO))
    with pytest.raises(RequestError, match="2× fits"):
        next(upscale(ask(source.resize((2048, 8)), 0, 4), INFO))


def test_the_strength_is_the_creativitys_and_not_the_requests() -> None:
    source = photograph("coffee", (0, 0, 64, 64))
    for strength in (0, 0.9):
        assert ask(source, 1, strength=strength, steps=20).steps_run == 12
        assert ask(source, 0.01, strength=strength, steps=20).steps_run == 1
        assert ask(source, 0, strength=strength).steps_run == 0
