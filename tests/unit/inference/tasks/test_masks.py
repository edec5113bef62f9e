"""Masks: from a picture of their own, from transparency, and from what was painted over."""

import io

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter
from skimage import data

from inference.errors import RequestError
from inference.tasks.mask import (
    difference_mask,
    given_mask,
    on_grid,
    softened,
    transparent_mask,
)

PHOTO = Image.fromarray(data.chelsea())


def disc(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def overlap(found: Image.Image, wanted: Image.Image) -> float:
    """Intersection over union."""
    a, b = (np.asarray(mask) > 0 for mask in (found, wanted))
    return float((a & b).sum() / (a | b).sum())


def test_bright_is_painted_whatever_the_size() -> None:
    mask = given_mask(disc((40, 20), (10, 5, 30, 15)).convert("RGB"), (80, 40))
    assert mask.mode == "L"
    assert mask.size == (80, 40)
    assert set(np.unique(np.asarray(mask))) == {0, 255}
    assert overlap(mask, disc((80, 40), (20, 10, 60, 30))) > 0.9


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
def test_of_strokes_on_a_transparent_layer_the_strokes_are_painted(
    colour: tuple[int, int, int],
) -> None:
    strokes = disc((40, 20), (10, 5, 30, 15))
    layer = Image.new("RGB", strokes.size, colour)
    layer.putalpha(strokes)
    assert given_mask(layer, strokes.size).tobytes() == strokes.tobytes()


def test_a_source_s_transparent_pixels_are_painted() -> None:
    hole = disc(PHOTO.size, (50, 60, 150, 120))
    erased = PHOTO.copy()
    erased.putalpha(ImageChops.invert(hole))
    mask = transparent_mask(erased)
    assert mask is not None
    assert mask.tobytes() == hole.tobytes()
    assert transparent_mask(PHOTO) is None
    assert transparent_mask(PHOTO.convert("RGBA")) is None


def test_a_soft_edge_lies_outside() -> None:
    mask = disc((100, 100), (40, 40, 60, 60))
    soft = np.asarray(softened(mask, 4))
    assert (soft[np.asarray(mask) > 0] == 255).all()
    reach = np.asarray(mask.filter(ImageFilter.GaussianBlur(4)))
    assert (soft[reach == 0] == 0).all()
    assert len(np.unique(soft)) > 10
    assert softened(mask, 0).tobytes() == mask.tobytes()


def test_a_mask_grows_to_whole_squares() -> None:
    mask = Image.new("L", (20, 18))
    for place in ((7, 7), (17, 16)):
        mask.putpixel(place, 255)
    wanted = np.zeros((18, 20), np.uint8)
    wanted[:8, :8] = wanted[16:, 16:] = 255
    assert (np.asarray(on_grid(mask, 8)) == wanted).all()


@pytest.mark.parametrize("colour", [(255, 0, 0), (255, 255, 255), (0, 0, 0), (40, 200, 60)])
@pytest.mark.parametrize(("scale", "quality"), [(1.0, 0), (1.0, 75), (0.5, 80), (1.4, 60)])
def test_what_was_painted_over_is_found(
    colour: tuple[int, int, int], scale: float, quality: int
) -> None:
    stroke = disc(PHOTO.size, (260, 150, 350, 230))
    painted = PHOTO.copy()
    painted.paste(colour, mask=stroke)
    size = tuple(round(side * scale) for side in PHOTO.size)
    painted = painted.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    if quality:
        painted = as_jpeg(painted, quality)
    found = difference_mask(PHOTO, painted)
    assert found.size == PHOTO.size
    assert set(np.unique(np.asarray(found))) == {0, 255}
    assert overlap(found, stroke) > 0.82


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7])
def test_a_picture_that_was_only_saved_again_has_no_mask(quality: int, scale: float) -> None:
    size = (round(PHOTO.width * scale), round(PHOTO.height * scale))
    assert difference_mask(PHOTO, as_jpeg(PHOTO.resize(size), quality)).getbbox() is None


def test_an_editor_may_brighten_the_picture_a_little() -> None:
    painted = ImageEnhance.Brightness(PHOTO).enhance(1.04)
    stroke = disc(PHOTO.size, (20, 30, 140, 160))
    painted.paste("blue", mask=stroke)
    assert overlap(difference_mask(PHOTO, as_jpeg(painted, 85)), stroke) > 0.85


def test_what_a_stroke_encloses_is_painted_too() -> None:
    painted = PHOTO.copy()
    ImageDraw.Draw(painted).ellipse((100, 60, 300, 220), outline="yellow", width=9)
    found = difference_mask(PHOTO, as_jpeg(painted, 80))
    assert overlap(found, disc(PHOTO.size, (100, 60, 300, 220))) > 0.9


def test_a_spiral_encloses_nothing() -> None:
    plain = Image.new("RGB", (200, 200), "grey")
    painted = plain.copy()
    turns = np.linspace(0, 6 * np.pi, 400)
    points = [(100 + 4.5 * t * np.cos(t), 100 + 4.5 * t * np.sin(t)) for t in turns]
    ImageDraw.Draw(painted).line(points, fill="red", width=5)
    share = np.asarray(difference_mask(plain, painted)).mean() / 255
    assert 0.1 < share < 0.5


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(RequestError, match="another shape, 100×100 instead of 451×300"):
        difference_mask(PHOTO, Image.new("RGB", (100, 100)))
