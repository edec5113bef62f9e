"""Two pictures compared."""

import io

import pytest
from PIL import Image

from inference.comparison import FRAMES, GAP, WIPE_SIDE, labelled_sheet, side_by_side, wipe
from inference.errors import PictureError


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


RED, BLUE = (Image.new("RGB", (120, 80), colour) for colour in ("#c01020", "#1040c0"))


def test_side_by_side_keeps_both_whole() -> None:
    tall = png(Image.new("RGB", (30, 40), "teal"))
    with Image.open(io.BytesIO(side_by_side(png(RED), tall))) as sheet:
        assert sheet.size == (120 + GAP + 60, 80)
        assert sheet.getpixel((0, 0)) == (0xC0, 0x10, 0x20)
        assert sheet.getpixel((119, 79)) == (0xC0, 0x10, 0x20)
        assert sheet.getpixel((120 + GAP, 40)) == (0, 128, 128)


def near(found: object, colour: str) -> bool:
    assert isinstance(found, tuple)
    wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    assert isinstance(wanted, tuple)
    return all(abs(a - b) < 12 for a, b in zip(found, wanted, strict=True))


def test_a_wipe_goes_from_one_to_the_other_and_back() -> None:
    with Image.open(io.BytesIO(wipe(png(RED), png(BLUE)))) as moving:
        assert (moving.size, moving.n_frames) == ((120, 80), 2 * FRAMES - 2)
        assert moving.info["loop"] == 0
        shares = []
        for number in range(moving.n_frames):
            moving.seek(number)
            frame = moving.convert("RGB")
            line = [frame.getpixel((x, 40)) for x in range(120)]
            shares.append(sum(near(pixel, "#c01020") for pixel in line))
        assert shares[0] == 0
        assert shares[FRAMES - 1] == 120
        assert shares[:FRAMES] == sorted(shares[:FRAMES])
        assert shares[FRAMES:] == sorted(shares[FRAMES:], reverse=True)


def test_a_wipe_has_the_shape_of_what_comes_after_and_a_small_size() -> None:
    wide = Image.new("RGB", (2000, 1000), "#c01020")
    with Image.open(io.BytesIO(wipe(png(RED.resize((100, 300))), png(wide)))) as moving:
        assert moving.size == (WIPE_SIDE, WIPE_SIDE // 2)


def test_still_parts_do_not_flicker() -> None:
    noise = Image.effect_noise((96, 64), 90).convert("RGB")
    other = noise.copy()
    other.paste((200, 30, 30), (0, 0, 40, 64))
    with Image.open(io.BytesIO(wipe(png(noise), png(other)))) as moving:
        rights = set()
        for number in (0, 2, 4):
            moving.seek(number)
            rights.add(moving.convert("RGB").crop((60, 0, 96, 64)).tobytes())
    assert len(rights) == 1


def test_what_is_damaged_is_refused() -> None:
    for make in (side_by_side, wipe):
        with pytest.raises(PictureError):
            make(png(RED), png(BLUE)[:60])


def test_a_sheet_has_every_picture_and_a_label() -> None:
    colours = ["#c01020", "#1040c0", "#10a040", "#e0c020"]
    pictures = [png(Image.new("RGB", (90, 60), colour)) for colour in colours]
    with Image.open(io.BytesIO(labelled_sheet(pictures, ["0.2", "0.5", "0.8", "1"]))) as sheet:
        assert sheet.width == 3 * 90 + 2 * GAP
        row = (sheet.height + GAP) // 2
        for number, colour in enumerate(colours):
            left, top = number % 3 * (90 + GAP), number // 3 * row
            assert near(sheet.getpixel((left + 45, top + 30)), colour)
            band = sheet.crop((left, top + 60, left + 90, top + row - GAP))
            assert len(band.getcolors() or []) > 2
