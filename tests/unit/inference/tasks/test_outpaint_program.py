"""Outpainting: the old pixels stay, and no seam shows."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage import data

from inference.errors import RequestError
from inference.options import Outpaint
from inference.request import GenerationRequest
from inference.tasks.files import as_png, opened
from inference.tasks.outpaint import outpaint
from inference.tasks.seam import joined
from tests.unit.inference.tasks.painter import INFO, drive, rounds

PHOTO = Image.fromarray(data.chelsea())
SIDES = ("left", "top", "right", "bottom")


def ask(source: Image.Image = PHOTO, count: int = 1, **options: Any) -> GenerationRequest:
    return GenerationRequest(
        task="outpaint",
        prompt="a room",
        image=as_png(source),
        strength=0.95,
        steps=4,
        seed=3,
        count=count,
        options=Outpaint(**options),
    )


def levels(picture: Image.Image | bytes) -> NDArray[np.int16]:
    opened_ = opened(picture) if isinstance(picture, bytes) else picture
    return np.asarray(opened_.convert("RGB")).astype(np.int16)


def off_colour(under: Image.Image, mask: Image.Image, seed: int) -> Image.Image:
    """What it is to paint over, its noise gone, and too dark and too red: a model's drift."""
    pixels = np.asarray(under.filter(ImageFilter.GaussianBlur(3))).astype(np.int16)
    return Image.fromarray(np.add(pixels, (12 + seed, -25, -25)).clip(0, 255).astype(np.uint8))


def in_stripes(under: Image.Image, mask: Image.Image, seed: int) -> Image.Image:
    """Others for each seed."""
    return Image.linear_gradient("L").rotate(30 * seed).resize(under.size).convert("RGB")


@pytest.mark.parametrize(
    "growth",
    [
        {"left": 0.2},
        {"top": 0.5},
        {"right": 1.0},
        {"bottom": 0.01},
        {"left": 0.1, "right": 0.3},
        {"left": 0.2, "top": 0.25, "right": 0.3, "bottom": 0.4},
    ],
)
def test_old_pixels_stay_and_new_ones_join_them(growth: dict[str, float]) -> None:
    request = ask(**growth)
    assert isinstance(request.options, Outpaint)
    product, asked = drive(outpaint(request, INFO), off_colour)
    (image,) = product.images
    made = levels(image.data)
    left, top, right, bottom = request.options.margins(PHOTO.size)
    assert made.shape == (300 + top + bottom, 451 + left + right, 3)
    old = made[top : top + 300, left : left + 451]
    assert (old == levels(PHOTO)).all()
    assert len(asked) == len(growth)
    for turns, margin in enumerate((right, top, left, bottom)):
        if margin:
            # With the growing side at the right, the border lies at a known column.
            turned = np.rot90(made, -turns)
            column = turned.shape[1] - margin
            assert step_across(turned, column) <= 1.3 * own_steps(turned[:, :column])


def step_across(pixels: NDArray[np.int16], column: int) -> float:
    return float(np.abs(pixels[:, column] - pixels[:, column - 1]).mean())


def own_steps(pixels: NDArray[np.int16]) -> float:
    """The mean step from a column to the next in the 40 before the border."""
    return float(np.abs(np.diff(pixels[:, -40:], axis=1)).mean())


def test_without_the_correction_a_seam_would_show() -> None:
    request = ask(right=0.3)
    known = np.asarray(PHOTO)
    (todo,) = rounds(outpaint(request, INFO))
    (asked,) = todo.requests
    assert asked.image is not None and asked.mask is not None
    painted = off_colour(opened(asked.image), opened(asked.mask), 0)
    seen = np.asarray(painted.resize((451 + 135, 300)))
    raw = np.concatenate([known, seen[:, 451:]], axis=1).astype(np.int16)
    assert step_across(raw, 451) > 3 * own_steps(raw[:, :451])


def test_the_correction_is_what_a_membrane_gives() -> None:
    """Each corrected level is the mean of its four neighbours, far from the clipped range."""
    waves = 60 + 20 * np.sin(np.arange(64) / 9) + np.arange(64) / 4
    known = np.repeat(np.rint(waves)[:, None, None], 8, axis=1).repeat(3, axis=2).astype(np.uint8)
    painted = np.full((64, 40, 3), 90, np.uint8)
    made = joined(known, painted)[..., 0].astype(float)
    assert np.abs(made[:, 0] - known[:, -1, 0]).max() <= 1
    inner = made[1:-1, 1:-1]
    around = (made[:-2, 1:-1] + made[2:, 1:-1] + made[1:-1, :-2] + made[1:-1, 2:]) / 4
    assert np.abs(inner - around).max() <= 1.01
    assert made[:, -1].std() < known[:, -1, 0].std() / 2


def test_the_mask_reaches_a_little_into_the_picture() -> None:
    (todo,) = rounds(outpaint(ask(right=0.3), INFO))
    (asked,) = todo.requests
    assert asked.mask is not None and asked.image is not None
    painted = np.asarray(opened(asked.mask))[0] > 0
    assert asked.width is not None
    border = asked.width * (300 - 135) / 300  # 300×300 pixels are seen
    start = int(np.argmax(painted))
    assert painted[start:].all()
    assert border - 16 <= start <= border - 8
    # What is there is not empty: it goes on in the picture's own colours.
    under = levels(asked.image)
    end = round(border)
    assert (
        np.abs(under[:, end:].mean(axis=(0, 1)) - under[:, end - 30 : end].mean(axis=(0, 1))).max()
        < 20
    )


def test_a_large_picture_is_painted_near_its_border_only() -> None:
    wide = PHOTO.resize((1200, 300))
    (todo,) = rounds(outpaint(ask(wide, right=0.1), INFO))
    (asked,) = todo.requests
    assert (asked.width, asked.height) == (128, 128)


def test_sides_across_from_each_other_are_painted_together() -> None:
    found = rounds(outpaint(ask(count=2, left=0.2, right=0.2, bottom=0.1), INFO))
    assert [len(each.requests) for each in found] == [4, 2]
    steps = found[0].requests[0].steps_run
    assert [each.more for each in found] == [2 * steps, 0]


def test_each_picture_has_its_own_seed() -> None:
    product, _ = drive(outpaint(ask(count=3, right=0.5, top=0.1), INFO), in_stripes)
    assert [image.seed for image in product.images] == [3, 4, 5]
    assert len({image.data for image in product.images}) == 3
    (alone,) = drive(outpaint(ask(count=3, right=0.5, top=0.1).single(1), INFO), in_stripes)[
        0
    ].images
    assert alone.data == product.images[1].data


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (130, 17)])
def test_small_pictures_grow_too(size: tuple[int, int]) -> None:
    source = PHOTO.resize(size)
    product, _ = drive(outpaint(ask(source, left=1.0, top=1.0, right=1.0, bottom=1.0), INFO))
    made = levels(product.images[0].data)
    width, height = size
    assert made.shape == (3 * height, 3 * width, 3)
    assert (made[height : 2 * height, width : 2 * width] == levels(source)).all()


def test_a_size_of_its_own_is_refused() -> None:
    with pytest.raises(RequestError, match="leave out width and height"):
        drive(outpaint(ask(right=0.3).change(width=640, height=320), INFO))


def test_beyond_the_longest_side_it_is_refused() -> None:
    with pytest.raises(RequestError, match="at most 4096"):
        drive(outpaint(ask(Image.new("RGB", (4000, 600)), right=0.3), INFO))


def test_every_side_has_its_price() -> None:
    one, all_ = ask(right=0.1), ask(**dict.fromkeys(SIDES, 0.1))
    assert all_.cost(100, 100) == pytest.approx(4 * one.cost(100, 100))
