"""The texts in a picture's file: a PNG's own, and those of EXIF."""

import warnings
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from inference.errors import PictureError
from inference.stamps import DESCRIPTION, EXIF_IFD, PARAMETERS, USER_COMMENT

MAX_TEXT = 256 * 1024
"""Characters of a text that are looked at; a prompt has a few hundred."""

# What opening a damaged file raises; ValueError for too long a text.
_UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
)
_MAKE, _MODEL = 0x010F, 0x0110


def read_texts(data: bytes) -> dict[str, str]:
    """By their key, those of EXIF under the key they would have in a PNG.

    Raises PictureError for what is no picture.
    """
    try:
        with warnings.catch_warnings():
            # However large it says it is: nothing is decoded.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data)) as image:
                return _texts(image)
    except _UNREADABLE as error:
        raise PictureError("The file is no picture that can be read.") from error


def _texts(image: Image.Image) -> dict[str, str]:
    if image.format != "PNG":
        return _exif_texts(image)
    # `image.text` would decode the pixels to find texts behind them; nobody writes them there.
    texts = {key: value for key, value in image.info.items() if isinstance(value, str)}
    return {str(key): value[:MAX_TEXT] for key, value in texts.items()}


def _exif_texts(image: Image.Image) -> dict[str, str]:
    exif = image.getexif()
    texts: dict[str, str] = {}
    comment = _comment(exif.get_ifd(EXIF_IFD).get(USER_COMMENT))
    if comment:
        texts[PARAMETERS] = comment
    for tag in (_MAKE, _MODEL, DESCRIPTION):  # “prompt:{…}”, as ComfyUI writes it
        key, colon, text = str(exif.get(tag) or "").partition(":")
        if colon:
            texts[key.strip().lower()] = text.strip("\0 ")[:MAX_TEXT]
    return texts


def _comment(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value or "")[:MAX_TEXT]
    kind, body = value[:8], value[8:]
    if kind == b"UNICODE\0":
        # By the book in the file's own byte order; in the wild mostly big-endian.
        little = body[1:2] == b"\0" or body[3:4] == b"\0"
        return body.decode("utf-16-le" if little else "utf-16-be", "replace")[:MAX_TEXT]
    return body.decode("utf-8", "replace").strip("\0")[:MAX_TEXT]
