"""What reading and writing pictures gives back; importing it loads no Pillow."""

from dataclasses import dataclass

SHEET_COLUMNS = 3
"""Of a labelled sheet of pictures."""

MAX_SIDE = 2048
"""Longest side of a source that is kept, in pixels; larger ones are scaled down to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Normalised:
    """A source picture as everything after intake sees it.

    data: PNG file, 8-bit RGB in sRGB, upright, without metadata.
    width, height: of that file, pixels.
    note: what was lost ("Only the first of 12 frames is used."), sentences for a member, or None.
    """

    data: bytes
    width: int
    height: int
    note: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedPicture:
    """A picture that fits an upload limit.

    extension: "png", "webp" or "jpg".
    note: what had to be done to make it fit, one sentence; None where it is the original file.
    """

    data: bytes
    extension: str
    note: str | None = None


def size_text(size: int) -> str:
    """A number of bytes in words: "25 MiB", "9.6 KiB", "12 bytes"."""
    for unit, scale in (("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"
