"""A source may keep its transparent parts, and looks the same to whoever ignores them."""

import io

import pytest
from PIL import Image, ImageDraw

from inference.images import normalise
from inference.picture import Normalised


def normalised(picture: Image.Image, *, transparency: bool) -> Normalised:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return normalise(file.getvalue(), max_bytes=10**6, max_pixels=10**6, transparency=transparency)


def with_hole(mode: str) -> Image.Image:
    picture = Image.linear_gradient("L").resize((60, 40)).convert(mode)
    alpha = Image.new("L", picture.size, 255)
    ImageDraw.Draw(alpha).ellipse((10, 10, 40, 30), fill=0, outline=100)
    picture.putalpha(alpha)
    return picture


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_it_is_kept_beside_the_same_colours(mode: str) -> None:
    picture = with_hole(mode)
    kept, flat = (normalised(picture, transparency=wanted) for wanted in (True, False))
    rgba = Image.open(io.BytesIO(kept.data))
    assert rgba.mode == "RGBA"
    assert rgba.getchannel("A").tobytes() == picture.getchannel("A").tobytes()
    assert rgba.convert("RGB").tobytes() == Image.open(io.BytesIO(flat.data)).tobytes()
    assert kept.note is None
    assert flat.note == "Transparent parts become white."


def test_what_is_opaque_has_no_alpha() -> None:
    opaque = with_hole("RGB")
    opaque.putalpha(255)
    assert normalised(opaque, transparency=True) == normalised(opaque, transparency=False)
