"""The mask of a picture that came back painted over."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from inference.encoding import is_see_through
from inference.errors import PictureError, RequestError
from inference.tasks.files import as_png, opened
from inference.tasks.painted import mask_by_hand

ORIGINAL = Image.linear_gradient("L").resize((160, 120)).convert("RGB")


def scribbled(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    ImageDraw.Draw(copy).rectangle((40, 30, 79, 69), fill="red")
    return copy


def mask_of(painted: Image.Image) -> np.ndarray:
    mask = opened(mask_by_hand(as_png(ORIGINAL), as_png(painted)))
    assert (mask.mode, mask.size) == ("L", ORIGINAL.size)
    return np.asarray(mask)


def test_what_was_painted_over_is_white_and_the_rest_black() -> None:
    mask = mask_of(scribbled(ORIGINAL))
    assert mask[30:70, 40:80].all()
    assert not mask[:24].any() and not mask[76:].any()
    assert set(np.unique(mask)) == {0, 255}


def test_what_was_rubbed_out_is_white_also_at_another_size() -> None:
    rubbed = scribbled(ORIGINAL).resize((320, 240)).convert("RGBA")
    # On white, as whatever was transparent comes out of normalising.
    rubbed.paste((255, 255, 255, 0), (240, 0, 320, 40))
    mask = mask_of(rubbed)
    assert mask[:20, 120:].all()
    assert mask[30:70, 40:80].all()
    assert not mask[90:].any()


def test_no_difference_and_another_shape_are_refused() -> None:
    jpeg = io.BytesIO()
    ORIGINAL.save(jpeg, "JPEG", quality=75)
    with pytest.raises(PictureError, match="No difference"):
        mask_of(Image.open(jpeg))
    with pytest.raises(RequestError, match="another shape"):
        mask_of(ORIGINAL.crop((0, 0, 120, 120)))


def test_a_file_tells_whether_it_is_see_through() -> None:
    assert is_see_through(as_png(ORIGINAL.convert("RGBA")))
    assert not is_see_through(as_png(ORIGINAL))
    assert not is_see_through(as_png(ORIGINAL.convert("L")))
