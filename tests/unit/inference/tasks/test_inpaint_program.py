"""Inpainting: what the model is asked for, and that nothing else changes."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from skimage import data

from inference.errors import RequestError
from inference.options import Inpaint
from inference.request import GenerationRequest
from inference.tasks.files import as_png, opened
from inference.tasks.inpaint import inpaint
from tests.unit.inference.tasks.painter import INFO, drive

PHOTO = Image.fromarray(data.chelsea())
BOX = (200, 100, 260, 180)
MASK = Image.new("L", PHOTO.size)
ImageDraw.Draw(MASK).ellipse(BOX, fill=255)


def ask(
    second: Image.Image | None = MASK, source: Image.Image = PHOTO, count: int = 1, **options: Any
) -> GenerationRequest:
    return GenerationRequest(
        task="inpaint",
        prompt="a hat",
        image=as_png(source),
        second=None if second is None else as_png(second),
        strength=0.9,
        seed=3,
        count=count,
        options=Inpaint(**options),
    )


def levels(picture: Image.Image | bytes) -> NDArray[np.int16]:
    opened_ = opened(picture) if isinstance(picture, bytes) else picture
    return np.asarray(opened_.convert("RGB")).astype(np.int16)


@pytest.mark.parametrize("area", ["whole", "masked"])
@pytest.mark.parametrize("content", ["original", "fill", "noise"])
@pytest.mark.parametrize("blur", [0, 4, 11])
def test_beyond_the_blurred_mask_no_pixel_changes(area: str, content: str, blur: int) -> None:
    product, _ = drive(inpaint(ask(area=area, content=content, blur=blur), INFO))
    (image,) = product.images
    assert (image.width, image.height) == PHOTO.size
    made = levels(image.data)
    blurred = MASK.filter(ImageFilter.GaussianBlur(blur)) if blur else MASK
    far = np.asarray(blurred) == 0
    assert (made[far] == levels(PHOTO)[far]).all()
    inside = np.asarray(MASK.filter(ImageFilter.MinFilter(9))) > 0
    assert np.abs(made[inside] - (30, 200, 40)).max() < 12


def test_each_picture_has_its_own_seed_and_hole() -> None:
    product, asked = drive(inpaint(ask(count=3), INFO))
    assert [image.seed for image in product.images] == [3, 4, 5]
    assert len({levels(image.data)[140, 230, 0] for image in product.images}) == 3
    assert len(asked) == 1


def test_the_whole_is_painted_at_the_model_s_size() -> None:
    _, (request,) = drive(inpaint(ask(), INFO))
    assert (request.width, request.height) == (160, 104)
    assert request.task == "img2img" and request.options is None and request.second is None
    assert request.mask is not None
    mask = np.asarray(opened(request.mask)) > 0
    assert 0.02 < mask.mean() < 0.12
    blocks = mask.reshape(13, 8, 20, 8)
    assert (blocks.any(axis=(1, 3)) == blocks.all(axis=(1, 3))).all()


def test_the_masked_part_is_painted_at_full_resolution() -> None:
    _, (request,) = drive(inpaint(ask(area="masked", padding=10, blur=0), INFO))
    assert (request.width, request.height) == (128, 128)
    assert request.image is not None and request.mask is not None
    # The mask is 61×81; with padding 101 high, and made square.
    seen = PHOTO.crop((180, 90, 281, 191)).resize((128, 128), Image.Resampling.LANCZOS)
    assert np.abs(levels(request.image) - levels(seen)).mean() < 1.5
    assert 0.3 < np.asarray(opened(request.mask)).mean() / 255 < 0.6


def test_a_mask_in_a_corner_sees_what_there_is() -> None:
    corner = Image.new("L", PHOTO.size)
    corner.paste(255, (430, 280, 451, 300))
    product, (request,) = drive(inpaint(ask(corner, area="masked", blur=0), INFO))
    assert request.width == request.height
    made = levels(product.images[0].data)
    assert (made[290, 440] == (30, 200, 40)).all()
    assert (made[:280] == levels(PHOTO)[:280]).all()


def test_a_mask_may_be_of_another_size() -> None:
    small = MASK.resize((90, 60))
    product, _ = drive(inpaint(ask(small, blur=0), INFO))
    assert (levels(product.images[0].data)[140, 230] == (30, 200, 40)).all()


def test_inverted_all_else_is_painted() -> None:
    product, _ = drive(inpaint(ask(invert=True, blur=0), INFO))
    made = levels(product.images[0].data)
    assert (made[5, 5] == (30, 200, 40)).all()
    kept = np.asarray(MASK) > 0
    assert (made[kept] == levels(PHOTO)[kept]).all()


def test_transparent_parts_are_the_mask_and_are_filled_first() -> None:
    erased = Image.composite(Image.new("RGB", PHOTO.size, "white"), PHOTO, MASK)
    erased.putalpha(ImageChops.invert(MASK))
    product, (request,) = drive(inpaint(ask(None, erased), INFO))
    assert request.image is not None
    assert levels(request.image).min(axis=2)[35:60, 75:88].max() < 200  # nothing of the white
    assert (levels(product.images[0].data)[140, 230] == (30, 200, 40)).all()
    assert opened(product.images[0].data).mode == "RGB"


def test_what_lies_under_the_mask() -> None:
    under = {}
    for content in ("original", "fill", "noise"):
        _, (request,) = drive(inpaint(ask(content=content), INFO))
        assert request.image is not None
        under[content] = levels(request.image)[38:58, 72:90]
    small = levels(PHOTO.resize((160, 104), Image.Resampling.LANCZOS))[38:58, 72:90]
    assert (under["original"] == small).all()
    assert np.abs(np.diff(under["fill"], axis=0)).mean() < np.abs(np.diff(small, axis=0)).mean() / 2
    assert under["noise"].std() > 1.5 * under["fill"].std()


def test_all_white_is_painted_whole() -> None:
    product, _ = drive(inpaint(ask(Image.new("L", PHOTO.size, 255)), INFO))
    assert (levels(product.images[0].data) == (30, 200, 40)).all()


def test_another_size_may_be_asked_for() -> None:
    product, _ = drive(inpaint(ask().change(width=304, height=200), INFO))
    assert (product.images[0].width, product.images[0].height) == (304, 200)


@pytest.mark.parametrize("area", ["whole", "masked"])
def test_not_even_a_pixel_of_the_mask_is_lost_by_another_size(area: str) -> None:
    source, dot = Image.new("RGB", (2048, 1024)), Image.new("L", (2048, 1024))
    dot.putpixel((501, 301), 255)
    request = ask(dot, source, area=area, blur=0).change(width=128, height=64)
    product, _ = drive(inpaint(request, INFO))
    changed = np.argwhere(levels(product.images[0].data)[..., 1] > 100)
    assert changed.tolist() == [[301 // 16, 501 // 16]]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (ask(None), "send one as the second picture, white where to paint, or a source with"),
        (ask(Image.new("L", (9, 9))), "The mask is all black; make at least one pixel white"),
        (ask(Image.new("L", (9, 9), 255), invert=True), "all white, so nothing is left to paint"),
    ],
)
def test_nothing_to_paint_is_refused(request_: GenerationRequest, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        drive(inpaint(request_, INFO))
