"""Reading and writing pictures; what hostile files become is tested in tests/hostile."""

import random
import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image

from inference.encoding import encode_for_upload, thumbnail
from inference.errors import PictureError
from inference.images import ACCEPTED, normalise
from inference.picture import Normalised, size_text


def save(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    dice = random.Random(width)
    return Image.frombytes("RGB", (width, height), dice.randbytes(width * height * 3))


def read(data: bytes, *, max_bytes: int = 10**7, max_pixels: int = 10**6) -> Normalised:
    return normalise(data, max_bytes=max_bytes, max_pixels=max_pixels)


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def test_importing_loads_neither_torch_nor_numpy() -> None:
    code = "import inference.images, inference.encoding, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "numpy", "discord"} & set(loaded)


def test_a_plain_picture_keeps_every_pixel_and_loses_its_metadata() -> None:
    source = noise(40, 30)
    exif = Image.Exif()
    exif[0x010E] = "at home, 12 Long Lane"
    made = read(save(source, exif=exif, dpi=(300, 300)))
    assert (made.width, made.height, made.note) == (40, 30, None)
    image = opened(made.data)
    assert image.tobytes() == source.tobytes()
    assert image.info == {}
    assert b"Long Lane" not in made.data


def test_the_same_file_always_gives_the_same_bytes() -> None:
    data = save(noise(64, 48), "JPEG")
    assert read(data) == read(data)
    again = read(data).data
    assert read(again).data == again


def test_a_file_above_the_byte_limit_is_not_looked_at() -> None:
    with pytest.raises(PictureError, match=r"^The file has 2 KiB; at most 1 KiB are allowed\.$"):
        read(bytes(2048), max_bytes=1024)


def test_a_picture_above_the_pixel_limit_is_told_what_fits() -> None:
    with pytest.raises(PictureError) as caught:
        read(save(Image.new("RGB", (1500, 1000))))
    assert str(caught.value) == (
        "The picture has 1500×1000 pixels, 1.5 megapixels; at most 1 megapixels are allowed, "
        "for instance 1224×816."
    )


def test_a_picture_exactly_at_the_limits_is_read() -> None:
    data = save(Image.new("RGB", (1000, 1000)))
    assert read(data, max_bytes=len(data)).width == 1000


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("size", "becomes"), [((400, 300), (100, 75)), ((90, 360), (25, 100)), ((100, 60), (100, 60))]
)
def test_a_long_picture_is_scaled_down(
    kind: str, size: tuple[int, int], becomes: tuple[int, int]
) -> None:
    data = save(Image.new("RGB", size, (200, 100, 50)), kind)
    made = normalise(data, max_bytes=10**7, max_pixels=10**6, max_side=100)
    assert (made.width, made.height) == becomes
    pixel = opened(made.data).getpixel((10, 10))
    assert isinstance(pixel, tuple)
    assert max(abs(a - b) for a, b in zip(pixel, (200, 100, 50), strict=True)) < 12


def test_scaling_down_does_not_bleed_the_colour_of_what_is_transparent() -> None:
    image = Image.new("RGBA", (200, 200), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 101, 200))
    made = normalise(save(image), max_bytes=10**7, max_pixels=10**6, max_side=100)
    for x in range(100):
        red, green, blue = opened(made.data).getpixel((x, 50))  # type: ignore[misc]
        assert red == green
        assert blue >= 250


def test_pillows_own_limit_is_left_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(PictureError):
        read(b"x")
    assert before == Image.MAX_IMAGE_PIXELS


def test_what_is_accepted_is_named() -> None:
    with pytest.raises(PictureError, match="only PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF pict"):
        read(b"<svg/>")
    assert ACCEPTED == "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"


def test_damaged_bytes_never_raise_anything_else() -> None:
    dice = random.Random(7)
    image = noise(24, 24)
    files = [
        save(image), save(image.quantize(16)), save(image, "JPEG"), save(image, "GIF"),
        save(image, "WEBP"), save(image, "BMP"), save(image, "TIFF", compression="tiff_lzw"),
        save(image, "AVIF"), save(image, save_all=True, append_images=[noise(24, 24)]),
    ]  # fmt: skip
    for data in files * 40:
        spoilt = bytearray(data)
        for _ in range(dice.choice((1, 3, 20))):
            spoilt[dice.randrange(min(len(spoilt), dice.choice((64, 4000))))] = dice.randrange(256)
        try:
            read(bytes(spoilt), max_pixels=100_000)
        except PictureError as error:
            assert str(error).endswith(".")


def test_a_png_that_fits_is_sent_as_it_is() -> None:
    png = save(noise(64, 64))
    encoded = encode_for_upload(png, len(png))
    assert (encoded.data, encoded.extension, encoded.note) == (png, "png", None)


def test_a_png_that_is_too_large_becomes_webp_and_the_note_says_so() -> None:
    png = save(noise(128, 128))
    encoded = encode_for_upload(png, 30_000)
    assert encoded.extension == "webp"
    assert len(encoded.data) <= 30_000
    assert opened(encoded.data).size == (128, 128)
    assert encoded.note == (
        "Sent as WebP at quality 95, because the PNG has 48.2 KiB and 29.3 KiB are allowed here."
    )


def test_jpeg_follows_webp_and_scaling_comes_last() -> None:
    png = save(noise(128, 128))
    kinds = []
    for limit in range(24_000, 1_000, -1_000):
        encoded = encode_for_upload(png, limit)
        assert len(encoded.data) <= limit
        image = opened(encoded.data)
        assert image.format == {"webp": "WEBP", "jpg": "JPEG"}[encoded.extension]
        kinds.append((encoded.extension, image.size == (128, 128)))
        assert encoded.note
        assert (f"to {image.width}×{image.height}" in encoded.note) == (image.size != (128, 128))
    order = list(dict.fromkeys(kinds))
    assert order == [("webp", True), ("jpg", True), ("webp", False)]


def test_an_impossible_limit_is_refused_with_what_would_do() -> None:
    with pytest.raises(PictureError, match=r"does not fit into 20 bytes; its smallest .* \d+ byt"):
        encode_for_upload(save(noise(64, 64)), 20)


def test_a_thumbnail_is_a_small_jpeg_in_the_same_shape_and_never_larger() -> None:
    image = opened(thumbnail(save(noise(300, 150)), 100))
    assert (image.format, image.size) == ("JPEG", (100, 50))
    assert opened(thumbnail(save(noise(30, 15)), 100)).size == (30, 15)


def test_a_damaged_file_of_ours_is_a_sentence_too() -> None:
    png = save(noise(64, 64))
    for wrong in (b"", png[:5000]):
        with pytest.raises(PictureError, match="damaged"):
            thumbnail(wrong, 10)


@pytest.mark.parametrize(
    ("size", "text"),
    [(12, "12 bytes"), (1024, "1 KiB"), (9830, "9.6 KiB"), (25 * 2**20, "25 MiB")],
)
def test_sizes_in_words(size: int, text: str) -> None:
    assert size_text(size) == text
