"""Files that are no picture, or only a part of one."""

import random
import zipfile
from collections.abc import Iterator
from io import BytesIO

from tests.hostile.build import (
    IEND,
    PNG_SIGNATURE,
    Hostile,
    after_header,
    after_start,
    chunk,
    gif,
    gif_frame,
    noise,
    picture,
    png,
    png_header,
    quarters,
    refused,
    save,
    segment,
)


def no_pictures() -> Iterator[Hostile]:
    """Everything that people post by mistake, most of it named .png."""
    yield refused("empty.png", b"", "The file is empty")
    yield refused("one-byte.png", b"\x89", "not a picture")
    yield refused("zeros.png", bytes(4096), "not a picture")
    yield refused("random.jpg", random.Random(1).randbytes(4096), "not a picture")
    page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
    yield refused("page.png", page, "a web page; only PNG, JPEG")
    drawing = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9"/>'
    yield refused("drawing.svg", drawing, "an SVG drawing")
    yield refused("note.png", "Schöne Grüße\n".encode(), "a text file")
    yield refused("paper.pdf", b"%PDF-1.7\n" + bytes(200), "a PDF document")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as folder:
        folder.writestr("photo.png", save(quarters(), "PNG"))
    yield refused("photos.zip", archive.getvalue(), "a ZIP archive")
    yield refused("layers.psd", b"8BPS\0\1" + bytes(200), "a Photoshop document")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(rm) system\n"
    yield refused("script.eps", script, "a PostScript document")
    yield refused("favicon.ico", save(quarters(32, 32), "ICO"), "an icon file")
    yield refused("phone.heic", b"\0\0\0\x18ftypheic" + bytes(200), "a HEIC picture")
    yield refused("clip.mp4", b"\0\0\0\x18ftypisom" + bytes(200), "a video")
    yield refused("new.jxl", b"\xff\x0a" + bytes(200), "a JPEG XL picture")
    yield refused("old.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200), "a JPEG 2000 picture")
    yield refused("packed.gz", b"\x1f\x8b\x08" + bytes(200), "a packed archive")
    # Pillow reads these, but nobody posts them: one decoder fewer to trust.
    yield refused("raw.ppm", save(quarters(), "PPM"), "not a picture")
    yield refused("scan.tga", save(quarters(), "TGA"), "not a picture")


def cut_off() -> Iterator[Hostile]:
    """Every format at a tenth, at half and shortly before its end; never half a picture."""
    whole = {
        "png": save(noise(), "PNG"),
        "jpeg": save(noise(), "JPEG", quality=95),
        "progressive.jpeg": save(noise(), "JPEG", quality=95, progressive=True),
        "webp": save(noise(), "WEBP"),
        "lossless.webp": save(noise(), "WEBP", lossless=True),
        "gif": save(noise().quantize(64), "GIF"),
        "bmp": save(noise(), "BMP"),
        "tiff": save(noise(), "TIFF"),
        "lzw.tiff": save(noise(), "TIFF", compression="tiff_lzw"),
        "avif": save(noise(), "AVIF", quality=90),
    }
    for name, data in whole.items():
        for percent in (10, 50, 95):
            yield refused(f"cut-at-{percent}%.{name}", data[: len(data) * percent // 100])
    yield refused("signature-only.png", PNG_SIGNATURE)
    yield refused("header-only.png", png_header(8, 8))
    yield refused("markers-only.jpg", b"\xff\xd8\xff\xd9")
    yield refused("header-only.gif", gif(8, 8)[:10])
    yield refused("no-frame.gif", gif(8, 8, b";"))


def malformed() -> Iterator[Hostile]:
    """Whole files with a part that is wrong."""
    good = save(quarters(), "PNG")
    yield refused("bad-header-crc.png", good[:29] + b"\0\0\0\0" + good[33:])
    data = save(noise(), "PNG")
    yield refused("flipped-bits.png", data[:5000] + b"\xff\0\xff\0" + data[5004:])
    second = png_header(64, 64)[8:]
    yield refused("two-headers.png", after_header(good, second))
    late = chunk(b"IHDR", png_header(30000, 30000)[16:29])
    yield picture("header-after-the-pixels.png", good[:-12] + late + IEND, size=(48, 32))
    yield refused("no-pixels.png", png(0, 5, b""))
    rows = b"".join(b"\0" + bytes(24) for _ in range(4))
    yield Hostile(name="fewer-rows-than-said.png", data=png(8, 8, rows), becomes="either")
    yield refused("unknown-filter.png", png(8, 1, b"\x09" + bytes(24)))
    bare = png(8, 1, b"\0" + bytes(8), colour=3)
    yield Hostile(name="palette-missing.png", data=bare, becomes="either")
    huge = b"\x7f\xff\xff\xffIDAT" + bytes(64)
    yield refused("chunk-longer-than-the-file.png", png_header(8, 8) + huge)

    photo = save(noise(), "JPEG", quality=95)
    start = photo.index(b"\xff\xda")
    yield Hostile(
        name="garbage-between-markers.jpg",
        data=photo[:start] + b"\x00garbage\xff\xff\xff" + photo[start:],
        becomes="either",
    )
    yield Hostile(
        name="garbage-in-the-scan.jpg",
        data=photo[:6000] + b"\xff\x00garbage\x00" * 20 + photo[6200:],
        becomes="either",
    )
    yield Hostile(
        name="half-with-an-end-marker.jpg", data=photo[:9000] + b"\xff\xd9", becomes="either"
    )
    yield picture("garbage-after-the-end.jpg", photo + b"PK\x03\x04" * 999, size=(96, 96))
    bare = after_start(photo, b"\xff\xe1\0\0")
    yield Hostile(name="segment-without-length.jpg", data=bare, becomes="either")
    broken = segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")
    yield picture("corrupt-exif.jpg", after_start(photo, broken), size=(96, 96))
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    yield picture("exif-pointing-at-itself.jpg", after_start(photo, segment(0xE1, loop)))
    filler = segment(0xE1, b"Exif\0\0" + bytes(65000))
    yield picture("huge-exif.jpg", after_start(photo, *[filler] * 60), size=(96, 96))

    outside = gif(8, 8, gif_frame(4, 4, 8, 8, 1), b";")
    yield picture("frame-outside-the-canvas.gif", outside, ((10, 10), (220, 30, 30)), size=(12, 12))
    yield refused("code-size-99.gif", gif(8, 8, gif_frame(0, 0, 8, 8, 1)[:10] + b"\x63\1\0\0;"))
    webp = save(noise(), "WEBP")
    yield Hostile(
        name="wrong-riff-length.webp", data=webp[:4] + b"\xff" * 4 + webp[8:], becomes="either"
    )
    tiff = save(quarters(), "TIFF")
    yield refused("directory-beyond-the-end.tiff", tiff[:4] + b"\xff\xff\xff\x7f" + tiff[8:])
    pages = save(quarters(), "TIFF", save_all=True, append_images=[quarters()])
    yield picture("two-pages.tiff", pages, size=(48, 32), says="Only the first page")
