"""Small files that would become very large, and pictures beyond a limit."""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.hostile.build import (
    IEND,
    Hostile,
    after_header,
    after_start,
    bmp,
    chunk,
    gif,
    gif_frame,
    picture,
    png_header,
    quarters,
    refused,
    save,
    segment,
    zeros,
)

SIDE = 30_000


def too_large() -> Iterator[Hostile]:
    """Headers beyond the pixel limit; nothing of these may ever be decoded."""
    says = "900 megapixels; at most 50 megapixels are allowed"
    end = chunk(b"IDAT", b"x") + IEND
    yield refused("30000x30000.png", png_header(SIDE, SIDE) + end, says)
    yield refused("30000x30000.bmp", bmp(SIDE, SIDE, 24, b"\0" * 64), says)
    yield refused("30000x30000.gif", gif(SIDE, SIDE, gif_frame(0, 0, 1, 1, 1), b";"), says)
    far = gif(8, 8, gif_frame(SIDE - 8, SIDE - 8, 8, 8, 1), b";")
    yield refused("frame-at-30000.gif", far, says)
    small = save(quarters(), "TIFF")
    entry = struct.pack("<HHII", 256, 4, 1, 48), struct.pack("<HHII", 256, 4, 1, SIDE)
    high = struct.pack("<HHII", 257, 4, 1, 32), struct.pack("<HHII", 257, 4, 1, SIDE)
    yield refused("30000x30000.tiff", small.replace(*entry).replace(*high), says)
    photo = save(quarters(), "JPEG")
    at = photo.index(b"\xff\xc0") + 5
    size = struct.pack(">HH", SIDE, SIDE)
    yield refused("30000x30000.jpg", photo[:at] + size + photo[at + 4 :], says)
    webp = save(Image.new("RGB", (8000, 8000)), "WEBP", lossless=True, method=0, quality=0)
    yield refused("8000x8000.webp", webp, "8000×8000 pixels, 64 megapixels")
    yield refused("9000x6000.png", png_header(9000, 6000) + end, "9000×6000 pixels, 54 megapixels")
    yield refused("2147483647-wide.png", png_header(2**31 - 1, 2**31 - 1) + end, "megapixels")
    yield refused("negative.bmp", bmp(-48, 32, 24, bytes(48 * 32 * 3)), "")
    yield refused("huge-row.bmp", bmp(2**31 - 1, 1, 24, b"\0" * 64), "megapixels")


def bombs() -> Iterator[Hostile]:
    """Real data that unpacks to a thousand times its size."""
    side = 20_000
    data = chunk(b"IDAT", zeros(side * (side + 1)))
    yield refused("zeros-20000.png", png_header(side, side, colour=0) + data + IEND, "400 mega")
    # Within the limit: it must be read, in bounded memory.
    data = chunk(b"IDAT", zeros(7000 * 28001))
    yield picture(
        "zeros-7000.png", png_header(7000, 7000, colour=6) + data + IEND, size=(2048,) * 2
    )
    # A hundred megabytes of pixels for a picture that has one.
    data = chunk(b"IDAT", zeros(100_000_000))
    one = png_header(1, 1) + data + IEND
    yield Hostile(name="100-MB-for-one-pixel.png", data=one, becomes="either")

    good = save(quarters(), "PNG")
    says = "The metadata of the PNG file unpacks"
    text = b"comment\0\0" + zeros(30_000_000)
    yield refused("text-bomb.png", after_header(good, chunk(b"zTXt", text)), says)
    yield refused("text-bomb-at-the-end.png", good[:-12] + chunk(b"zTXt", text) + IEND, says)
    words = b"comment\0\1\0\0\0" + zeros(30_000_000)
    yield refused("international-text-bomb.png", after_header(good, chunk(b"iTXt", words)), says)
    one = chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(2**20)))
    yield refused("a-hundred-texts.png", after_header(good, *[one] * 100), says)
    profile = chunk(b"iCCP", b"profile\0\0" + zeros(30_000_000))
    yield refused("profile-bomb.png", after_header(good, profile), says)
    strip = zeros(200_000_000)
    entries = [
        (256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 8), (262, 3, 1),
        (273, 4, 122), (277, 3, 1), (278, 4, 64), (279, 4, len(strip)),
    ]  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + table + bytes(4)
    yield Hostile(name="deflate-bomb.tiff", data=tiff + strip, becomes="either")

    scans = save(Image.effect_noise((1600, 1600), 50), "JPEG", progressive=True)
    at = scans.rindex(b"\xff\xda")
    many = scans[:at] + scans[at:-2] * 30 + b"\xff\xd9"
    yield Hostile(name="hundreds-of-scans.jpg", data=many, becomes="either")
    filler = segment(0xFE, bytes(65000))
    yield picture("comments-only.jpg", after_start(save(quarters(), "JPEG"), *[filler] * 100))


def frames() -> Iterator[Hostile]:
    """Animations with more frames than anybody wants to count."""
    some = [quarters(), *(Image.new("RGB", (48, 32), (i * 20, i * 20, 0)) for i in range(11))]
    for kind in ("GIF", "PNG", "WEBP", "AVIF"):
        yield picture(
            f"animated-12.{kind.lower()}",
            save(some[0], kind, save_all=True, append_images=some[1:], duration=50),
            ((5, 5), (220, 30, 30)),
            says="Only the first of 12 frames is used.",
            size=(48, 32),
            off=40 if kind in ("WEBP", "AVIF") else 14,
        )
    frame = gif_frame(0, 0, 2, 2, 2)
    endless = gif(2, 2, *[frame] * 200_000, b";")
    yield picture("200000-frames.gif", endless, size=(2, 2), says="more than 1000 frames")
    blocks = gif(2, 2, b"!\xfe\0" * 1_000_000, frame, b";")
    yield Hostile(name="a-million-empty-comments.gif", data=blocks, becomes="either")
    extra = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    yield Hostile(
        name="two-billion-frames.png",
        data=after_header(save(quarters(), "PNG"), extra),
        becomes="either",
    )


def shapes() -> Iterator[Hostile]:
    """The smallest and the longest."""
    dot = Image.new("RGB", (1, 1), (10, 200, 30))
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        yield picture(f"1x1.{kind.lower()}", save(dot, kind), ((0, 0), (10, 200, 30)), size=(1, 1))
    tall = save(Image.new("RGB", (1, 4000)), "PNG")
    yield refused("1x4000.png", tall, "pad it to 500×4000 or crop it to 1×8")
    wide = save(Image.new("RGB", (4000, 1)), "PNG")
    yield refused("4000x1.png", wide, "pad it to 4000×500 or crop it to 8×1")
    yield picture("8x1.png", save(Image.new("RGB", (8, 1)), "PNG"), size=(8, 1))
    yield refused("9x1.gif", save(Image.new("P", (9, 1)), "GIF"), "at most 8 times the shortest")
    yield picture("4000x3000.jpg", save(quarters(4000, 3000), "JPEG"), size=(2048, 1536))
