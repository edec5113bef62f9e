"""Whatever a file's pixels are, as 8-bit RGB in sRGB. The rules are stated in docs/pictures.md."""

from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

# What the colour space of an ICC profile is called → the mode that it can be applied to.
PROFILE_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}

PLAIN = {
    "1": "L",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "P": "RGB",
}


def eight_bit(image: Image.Image) -> Image.Image:
    """The picture in one of the modes L, LA, RGB, RGBA, CMYK and LAB, its colours not yet sRGB.

    16-bit grey is divided by 257, so that white stays white. 32-bit and float grey has no
    stated white: see `_full_scale`.
    """
    if image.mode.startswith("I;16"):
        image.info.pop("transparency", None)  # one 16-bit level; 8 bits cannot single it out
        return image.convert("I").point(_linear(1 / 257, 0.5)).convert("L")
    if image.mode in ("I", "F"):
        low, white = _full_scale(image)
        scale = 255 / (white - low)
        return image.convert("F").point(_linear(scale, 0.5 - low * scale)).convert("L")
    if image.has_transparency_data:
        return _as(image, "LA" if image.mode in ("L", "LA", "La", "1") else "RGBA")
    return _as(image, PLAIN.get(image.mode, image.mode))


def _as(image: Image.Image, mode: str) -> Image.Image:
    """Converted where it must be; Pillow would copy even what has the mode already."""
    return image if image.mode == mode else image.convert(mode)


def _linear(scale: float, offset: float) -> Any:
    """A function of the form that Pillow accepts for pictures of more than 8 bits."""
    return lambda level: level * scale + offset


def _full_scale(image: Image.Image) -> tuple[float, float]:
    """The levels that mean black and white.

    Levels within 0…1 (float only), 0…255 or 0…65535 are taken to mean that range; all other
    pictures are stretched from their darkest to their brightest level.
    """
    low, high = (float(level) for level in image.getextrema())  # type: ignore[arg-type]
    ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    if low >= 0:
        for white in ranges:
            if high <= white:
                return 0.0, white
    # Not a number and infinities have no place on a scale; such a picture comes out black.
    if not abs(high - low) < float("inf") or high == low:
        return 0.0, float("inf")
    return low, high


def to_srgb(
    image: Image.Image, profile: bytes | None, *, transparency: bool = False
) -> tuple[Image.Image, list[str]]:
    """What `eight_bit` gave, as RGB in sRGB on white, and notes on what was lost.

    profile: the file's ICC profile. One that is broken or of another colour space is ignored.
    transparency: whether a picture with transparent parts is RGBA then, its colours on white
        nevertheless, so that it looks the same to whoever ignores the alpha channel.
    """
    notes = []
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert(image.mode.removesuffix("A")) if alpha is not None else image
    rgb = None
    if profile:
        rgb = _managed(colours, profile)
        if rgb is None:
            notes.append("Its colour profile cannot be used and is ignored.")
    if rgb is None:
        rgb = _unmanaged(colours)
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(rgb, mask=alpha)
    if alpha is not None and alpha.getextrema()[0] != 255:
        if transparency:
            canvas.putalpha(alpha)
        else:
            notes.append("Transparent parts become white.")
    return canvas, notes


def _managed(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture's colours by its profile, or None where the profile cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = PROFILE_MODES.get(source.profile.xcolor_space.strip())
        if mode == "RGB" and image.mode == "L":
            image = image.convert("RGB")  # grey pictures often carry the camera's RGB profile
        if mode != image.mode:
            return None
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # the ways Pillow says that littlecms refuses a profile


def _unmanaged(image: Image.Image) -> Image.Image:
    if image.mode != "LAB":
        return image.convert("RGB")
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # only an in-place conversion gives None
    return converted
