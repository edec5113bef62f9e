"""Writing pictures so that they fit: uploads below a limit, thumbnails."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from math import sqrt

from PIL import Image, PngImagePlugin

from inference.errors import PictureError
from inference.picture import EncodedPicture, size_text
from inference.stamps import DESCRIPTION, EXIF_IFD, OWN, PARAMETERS, USER_COMMENT

# Extension, Pillow's name, the name in a note, and the qualities that are tried in order.
LADDER = (
    ("webp", "WEBP", "WebP", (95, 90, 80)),
    ("jpg", "JPEG", "JPEG", (80, 65)),
)
SCALED_QUALITY = 80
SMALLEST_SIDE = 16


def encode_for_upload(png: bytes, limit: int) -> EncodedPicture:
    """The picture in at most `limit` bytes, changed as little as that allows.

    png: a PNG file of ours. Tried in order: the file itself, WebP, JPEG, and WebP scaled down;
    the note says which, for the member. What the PNG says made it goes along as EXIF.
    Raises PictureError where even that does not fit or the file is damaged.
    """
    if len(png) <= limit:
        return EncodedPicture(data=png, extension="png")
    image, texts = _read(png)
    exif = _exif(texts)
    reason = f"the PNG has {size_text(len(png))} and {size_text(limit)} are allowed here."
    for extension, kind, name, qualities in LADDER:
        for quality in qualities:
            data = _encode(image, kind, quality, exif)
            if len(data) <= limit:
                note = f"Sent as {name} at quality {quality}, because {reason}"
                return EncodedPicture(data=data, extension=extension, note=note)
    for width, height in _smaller(image.size, sqrt(limit / len(data))):
        scaled = image.resize((width, height), Image.Resampling.LANCZOS)
        data = _encode(scaled, "WEBP", SCALED_QUALITY, exif)
        if len(data) <= limit:
            note = (
                f"Sent as WebP scaled from {image.width}×{image.height} to {width}×{height}, "
                f"because {reason}"
            )
            return EncodedPicture(data=data, extension="webp", note=note)
    raise PictureError(
        f"The picture does not fit into {size_text(limit)}; "
        f"its smallest version has {size_text(len(data))}."
    )


def thumbnail(png: bytes, side: int) -> bytes:
    """A JPEG of the picture whose longest side is at most `side` pixels; never scaled up.

    Raises PictureError where the PNG is damaged.
    """
    image = open_png(png)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _encode(image, "JPEG", 80)


def _exif(texts: Mapping[str, str]) -> Image.Exif:
    """The texts of a PNG of ours for a file that has no text of its own."""
    exif = Image.Exif()
    if PARAMETERS in texts:
        # in UTF-16, as other programs read it
        comment = b"UNICODE\0" + texts[PARAMETERS].encode("utf-16-be")
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    if OWN in texts:
        exif[DESCRIPTION] = f"{OWN}:{texts[OWN]}"
    return exif


def open_png(png: bytes) -> Image.Image:
    """A PNG of our own, decoded to RGB. Raises PictureError where it is damaged."""
    return _read(png)[0]


def is_see_through(png: bytes) -> bool:
    """Whether a PNG of our own has transparent parts, as its header says."""
    return PngImagePlugin.PngImageFile(BytesIO(png)).mode == "RGBA"


def _read(png: bytes) -> tuple[Image.Image, dict[str, str]]:
    """A PNG of our own, decoded, and its texts."""
    try:
        # Not Image.open: its guard against bombs is for strangers' files.
        image = PngImagePlugin.PngImageFile(BytesIO(png))
        return image.convert("RGB"), {key: str(text) for key, text in image.text.items()}
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError("The stored picture is damaged; make it again.") from error


def _encode(image: Image.Image, kind: str, quality: int, exif: Image.Exif | None = None) -> bytes:
    out = BytesIO()
    image.save(out, kind, quality=quality, exif=exif or b"")
    return out.getvalue()


def _smaller(size: tuple[int, int], first: float) -> Iterator[tuple[int, int]]:
    """Sizes in the same shape, from a little below `first` (a factor) downwards."""
    factor = min(first, 1.0) * 0.95
    while True:
        width, height = (max(1, round(side * factor)) for side in size)
        yield width, height
        if max(width, height) <= SMALLEST_SIDE:
            return
        factor *= 0.8
