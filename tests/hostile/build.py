"""Bricks for hostile pictures: chunks, headers and well-made files to spoil."""

import io
import random
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from PIL import Image

Pixel = tuple[int, int]
Colour = tuple[int, int, int]

RED, GREEN, BLUE, GOLD = (220, 30, 30), (30, 180, 60), (40, 60, 210), (230, 190, 40)
WHITE = (255, 255, 255)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
IEND = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hostile:
    """One file and what must come of it.

    says: part of the sentence, or of the note of a picture.
    size: of the picture. looks: positions in it and their colours, within `off` levels.
    """

    name: str
    data: bytes
    becomes: Literal["picture", "sentence", "either"]
    says: str = ""
    size: tuple[int, int] | None = None
    looks: tuple[tuple[Pixel, Colour], ...] = ()
    off: int = 14


def refused(name: str, data: bytes, says: str = "damaged or cut off") -> Hostile:
    return Hostile(name=name, data=data, becomes="sentence", says=says)


def picture(
    name: str,
    data: bytes,
    *looks: tuple[Pixel, Colour],
    size: tuple[int, int] | None = None,
    says: str = "",
    off: int = 14,
) -> Hostile:
    return Hostile(
        name=name, data=data, becomes="picture", says=says, size=size, looks=looks, off=off
    )


def quarters(width: int = 48, height: int = 32) -> Image.Image:
    """Four plain quarters: red, green / blue, gold."""
    image = Image.new("RGB", (width, height), RED)
    middle, half = width // 2, height // 2
    image.paste(GREEN, (middle, 0, width, half))
    image.paste(BLUE, (0, half, middle, height))
    image.paste(GOLD, (middle, half, width, height))
    return image


def corners(width: int = 48, height: int = 32) -> tuple[tuple[Pixel, Colour], ...]:
    """Where `quarters` has which colour."""
    right, low = width - 6, height - 6
    return (((5, 5), RED), ((right, 5), GREEN), ((5, low), BLUE), ((right, low), GOLD))


def noise(side: int = 96) -> Image.Image:
    """A picture that no format packs well, always the same one."""
    dice = random.Random(side)
    return Image.frombytes("RGB", (side, side), dice.randbytes(side * side * 3))


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk with a good checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG file as far as its IHDR chunk. colour: 0 grey, 2 RGB, 3 palette, 4 and 6 with alpha."""
    return PNG_SIGNATURE + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    )


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    """A whole PNG file. rows: each with its filter byte."""
    return (
        png_header(width, height, depth=depth, colour=colour)
        + chunk(b"IDAT", zlib.compress(rows))
        + IEND
    )


def zeros(size: int) -> bytes:
    """`size` zero bytes, packed by zlib without ever holding them."""
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    packed = [packer.compress(block) for _ in range(size // len(block))]
    return b"".join([*packed, packer.compress(bytes(size % len(block))), packer.flush()])


def after_header(data: bytes, *chunks: bytes) -> bytes:
    """A PNG file with chunks put in behind its IHDR chunk."""
    return data[:33] + b"".join(chunks) + data[33:]


def segment(marker: int, data: bytes) -> bytes:
    """One JPEG segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def after_start(data: bytes, *segments: bytes) -> bytes:
    """A JPEG file with segments put in behind its SOI marker."""
    return data[:2] + b"".join(segments) + data[2:]


def gif(width: int, height: int, *blocks: bytes) -> bytes:
    """A GIF file with a palette of black, red, green and white."""
    palette = bytes((0, 0, 0, *RED, *GREEN, *WHITE))
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x81, 0, 0) + palette + b"".join(blocks)


def gif_frame(x: int, y: int, width: int, height: int, colour: int) -> bytes:
    """One plain frame: a clear code before every pixel, so that codes stay 3 bits long."""
    bits, count = 0, 0
    for code in [*(item for _ in range(width * height) for item in (4, colour)), 5]:
        bits |= code << count
        count += 3
    packed = bits.to_bytes((count + 7) // 8, "little")
    blocks = [packed[i : i + 255] for i in range(0, len(packed), 255)]
    data = b"".join(bytes((len(block),)) + block for block in blocks)
    return b"," + struct.pack("<HHHHB", x, y, width, height, 0) + b"\x02" + data + b"\0"


def bmp(width: int, height: int, bits: int, pixels: bytes, *, compression: int = 0) -> bytes:
    """A BMP file with a header of 40 bytes and no palette."""
    return (
        b"BM"
        + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
        + pixels
    )
