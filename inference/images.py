"""Reading pictures that strangers send: limits first, then pixels as everything else wants them.

Pure Pillow; importing it loads neither numpy nor torch. What is accepted and what becomes of it
is stated in docs/pictures.md. Pillow's limits and warnings are process-wide, so `normalise` must
not run in two threads at once.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import sqrt

# The plug-ins are named so that Pillow does not load the forty others.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from inference.animation import note_on_frames
from inference.colour import eight_bit, to_srgb
from inference.errors import PictureError
from inference.picture import MAX_SIDE, Normalised, size_text
from inference.sizes import result_size
from inference.sniffing import describe, picture_format

FORMATS = [
    PngImagePlugin.PngImageFile.format,
    JpegImagePlugin.JpegImageFile.format,  # MPO, a JPEG with further pictures, among them
    *([WebPImagePlugin.WebPImageFile.format] if WebPImagePlugin.SUPPORTED else []),
    GifImagePlugin.GifImageFile.format,
    BmpImagePlugin.BmpImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    *([AvifImagePlugin.AvifImageFile.format] if AvifImagePlugin.SUPPORTED else []),
]
"""What Pillow may try to open. The content decides, never a file's name."""

ACCEPTED = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}".replace("WEBP", "WebP")

MAX_ASPECT = 8
"""The longest side may be at most this many times the shortest."""

ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def normalise(
    data: bytes,
    *,
    max_bytes: int,
    max_pixels: int,
    max_side: int = MAX_SIDE,
    transparency: bool = False,
) -> Normalised:
    """Any accepted picture file as an upright 8-bit RGB PNG in sRGB without metadata.

    max_bytes: of the file. max_pixels: of its header; both are checked before anything is
    decoded. max_side: pixels; a longer picture is scaled down so that its longest side has it.
    transparency: whether a picture with transparent parts keeps them, as RGBA; see `to_srgb`.

    Raises PictureError with one sentence for the person who posted the file.
    """
    if not data:
        raise PictureError(f"The file is empty; post a {ACCEPTED} picture.")
    if len(data) > max_bytes:
        raise PictureError(
            f"The file has {size_text(len(data))}; at most {size_text(max_bytes)} are allowed."
        )
    with _pillow_limits(max_pixels), _little_memory():
        with _decoding(data, max_pixels):
            image = _decode(data, max_pixels, max_side)
            frames = note_on_frames(image, data)
            orientation = _orientation(image)
        profile = image.info.get("icc_profile")
        pixels = eight_bit(image)
        # Scaled before the colours are managed, which takes much longer for each pixel.
        target = _within(*pixels.size, max_side)
        if target != pixels.size:
            pixels = pixels.resize(target, Image.Resampling.LANCZOS, reducing_gap=3.0)
        if orientation in UPRIGHT:
            pixels = pixels.transpose(UPRIGHT[orientation])
        pixels, notes = to_srgb(pixels, profile, transparency=transparency)
        return Normalised(
            data=_png(pixels),
            width=pixels.width,
            height=pixels.height,
            note=" ".join([frames, *notes] if frames else notes) or None,
        )


@contextmanager
def _pillow_limits(max_pixels: int) -> Iterator[None]:
    """Pillow's own guard against bombs set to our limit, and its warnings silenced."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about the picture, not about the bot
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _little_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise PictureError(
            "Reading the picture takes more memory than is allowed; "
            f"post it with its longest side at {MAX_SIDE} pixels."
        ) from error


@contextmanager
def _decoding(data: bytes, max_pixels: int) -> Iterator[None]:
    """Whatever decoding these bytes raises, as a PictureError."""
    try:
        yield
    except (PictureError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        raise _too_many_pixels(int(found[0]) if found else 2 * max_pixels, max_pixels) from error
    except Exception as error:
        # Decoders of hostile bytes raise nearly everything: OSError, SyntaxError, KeyError,
        # struct.error, zlib.error, OverflowError, RuntimeError … and it all means one thing.
        if isinstance(error, OSError) and "memory" in str(error):  # how some decoders say it
            raise MemoryError from error
        kind = picture_format(data)
        if kind is None:
            raise PictureError(
                f"The file is {describe(data)}; only {ACCEPTED} pictures are accepted."
            ) from error
        if kind == "PNG" and "text" in str(error).lower():
            raise PictureError(
                "The metadata of the PNG file unpacks to more than the 1 MiB a part that is "
                "allowed; save the picture again without metadata."
            ) from error
        raise PictureError(
            f"The {kind} file is damaged or cut off; export or download it again and post that."
        ) from error


def _decode(data: bytes, max_pixels: int, max_side: int) -> Image.Image:
    """The first frame, its limits checked by the header before it is decoded."""
    image = Image.open(BytesIO(data), formats=FORMATS)
    _check_shape(*image.size, max_pixels)
    # A JPEG can be decoded at an eighth, a quarter or half its size, for less memory.
    image.draft(None, _within(*image.size, max_side))
    image.load()
    if image.mode == "P" and image.palette is None:
        raise ValueError("indexed colours without a palette")  # for `_decoding` to put in words
    _check_shape(*image.size, max_pixels)  # some decoders find another size than the header's
    return image


def _check_shape(width: int, height: int, max_pixels: int) -> None:
    """Raises PictureError beyond the pixel limit or the aspect limit."""
    if width < 1 or height < 1:
        raise PictureError("The picture has no pixels; the smallest allowed has 1×1.")
    if width * height > max_pixels:
        fits = "{}×{}".format(*result_size(width, height, max_pixels))
        raise _too_many_pixels(width * height, max_pixels, f"{width}×{height} pixels, ", fits)
    short, long = sorted((width, height))
    if long > MAX_ASPECT * short:
        padded, cropped = -(-long // MAX_ASPECT), MAX_ASPECT * short
        fits = (
            f"pad it to {width}×{padded} or crop it to {cropped}×{height}"
            if width > height
            else f"pad it to {padded}×{height} or crop it to {width}×{cropped}"
        )
        raise PictureError(
            f"The picture is {width}×{height} pixels, but the longest side may be "
            f"at most {MAX_ASPECT} times the shortest; {fits}."
        )


def _too_many_pixels(
    pixels: int, max_pixels: int, size: str = "", fits: str | None = None
) -> PictureError:
    side = int(sqrt(max_pixels))
    return PictureError(
        f"The picture has {size}{_megapixels(pixels)}; at most {_megapixels(max_pixels)} "
        f"are allowed, for instance {fits or f'{side}×{side}'}."
    )


def _megapixels(pixels: int) -> str:
    """Rounded up to a tenth where that matters, so that no number looks like the limit."""
    return f"{-(-pixels // 100_000) / 10:,.10g} megapixels"


def _within(width: int, height: int, max_side: int) -> tuple[int, int]:
    """The size scaled down so that the longest side is at most max_side, never below 1."""
    long = max(width, height)
    if long <= max_side:
        return width, height
    return (
        max(1, round(width * max_side / long)),
        max(1, round(height * max_side / long)),
    )


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1…8; 1 where there is none or the EXIF block is broken."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:
        # As with pixels, a broken block raises anything; the picture itself is sound.
        return 1
    return found if isinstance(found, int) else 1


def _png(image: Image.Image) -> bytes:
    out = BytesIO()
    # Level 3 takes a third of the default's time for a tenth more bytes.
    image.save(out, "PNG", compress_level=3)
    return out.getvalue()
