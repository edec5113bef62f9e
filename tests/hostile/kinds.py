"""Sound files of every kind that may be got wrong; what comes of them is known by its pixels."""

import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageChops, ImageCms

from tests.hostile.build import (
    BLUE,
    GOLD,
    GREEN,
    IEND,
    RED,
    WHITE,
    Hostile,
    bmp,
    chunk,
    corners,
    picture,
    png,
    png_header,
    quarters,
    save,
)

# What undoes each EXIF orientation; only the quarter turns are not their own inverse.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
FINE = {"quality": 95, "subsampling": 0}


def orientations() -> Iterator[Hostile]:
    """All eight, upright afterwards, in every format that carries them."""
    for number, turn in STORED_AS.items():
        stored = quarters() if turn is None else quarters().transpose(turn)
        exif = Image.Exif()
        exif[0x0112] = number
        for kind, options in (("JPEG", FINE), ("PNG", {}), ("WEBP", {"lossless": True})):
            name = f"orientation-{number}.{kind.lower()}"
            data = save(stored, kind, exif=exif, **options)
            yield picture(name, data, *corners(), size=(48, 32))
        data = save(stored, "TIFF", tiffinfo={274: number})
        yield picture(f"orientation-{number}.tiff", data, *corners(), size=(48, 32))
        data = save(stored, "AVIF", exif=exif, quality=95, subsampling="4:4:4")
        yield picture(f"orientation-{number}.avif", data, *corners(), size=(48, 32), off=25)
    exif = Image.Exif()
    exif[0x0112] = 99
    yield picture("orientation-99.jpeg", save(quarters(), "JPEG", exif=exif, **FINE), *corners())


def depths() -> Iterator[Hostile]:
    """1, 2, 4, 8, 16 and 32 bits, and floats; white must stay white and nothing be clipped."""
    levels = struct.pack(">4H", 0, 0x8000, 25700, 0xFFFF)
    grey = tuple(((x, 0), (v, v, v)) for x, v in enumerate((0, 128, 100, 255)))
    yield picture("grey-16.png", png(4, 1, b"\0" + levels, depth=16, colour=0), *grey, off=1)
    row = b"\0" + struct.pack(">6H", 0xDC00, 0x1E00, 0x1E00, 0xFFFF, 0x8000, 0)
    rgb = ((0, 0), (220, 30, 30)), ((1, 0), (255, 128, 0))
    yield picture("rgb-16.png", png(2, 1, row, depth=16), *rgb, off=1)
    row = b"\0" + struct.pack(">8H", 0xDC00, 0x1E00, 0x1E00, 0xFFFF, 0, 0, 0, 0)
    clear = ((0, 0), (220, 30, 30)), ((1, 0), WHITE)
    yield picture("rgba-16.png", png(2, 1, row, depth=16, colour=6), *clear, off=1)
    row = b"\0" + struct.pack(">4H", 0x6400, 0xFFFF, 0, 0)
    yield picture(
        "grey-alpha-16.png", png(2, 1, row, depth=16, colour=4),
        ((0, 0), (100, 100, 100)), ((1, 0), WHITE), off=1,
    )  # fmt: skip
    for bits, packed in ((1, 0b01000000), (2, 0b00110000), (4, 0x0F)):
        two = ((0, 0), (0, 0, 0)), ((1, 0), WHITE)
        data = png(2, 1, bytes((0, packed)), depth=bits, colour=0)
        yield picture(f"grey-{bits}.png", data, *two, off=0)
    white = ((0, 0), (0, 0, 0)), ((1, 0), WHITE)
    for name, mode, values in (
        ("grey-16.tiff", "I;16", (0, 65535)),
        ("grey-32.tiff", "I", (0, 65535)),
        ("grey-32-negative.tiff", "I", (-70000, 70000)),
        ("float-0-to-1.tiff", "F", (0.0, 1.0)),
        ("float-0-to-255.tiff", "F", (0.0, 255.0)),
        ("float-any.tiff", "F", (-3.5, 1e6)),
    ):
        image = Image.new(mode, (2, 1))
        image.putdata(values)
        yield picture(name, save(image, "TIFF"), *white, off=1)
    image = Image.new("F", (2, 1))
    image.putdata((float("nan"), float("inf")))
    yield picture("float-not-a-number.tiff", save(image, "TIFF"), size=(2, 1))
    bilevel = save(Image.new("1", (16, 16), 1), "TIFF", compression="group4")
    yield picture("fax.tiff", bilevel, ((3, 3), WHITE))


def transparency() -> Iterator[Hostile]:
    """Every way of being transparent, on white."""
    says = "Transparent parts become white."
    half = Image.new("L", (48, 32), 255)
    half.paste(0, (24, 0, 48, 32))
    image = quarters()
    image.putalpha(half)
    looks = ((5, 5), RED), ((40, 5), WHITE), ((5, 26), BLUE), ((40, 26), WHITE)
    for kind, options in (
        ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("AVIF", {"quality": 95}),
    ):  # fmt: skip
        data = save(image, kind, **options)
        yield picture(f"alpha.{kind.lower()}", data, *looks, says=says, off=25)
    grey = Image.merge("LA", (Image.new("L", (48, 32), 60), half))
    yield picture("grey-alpha.png", save(grey, "PNG"), ((5, 5), (60,) * 3), ((40, 5), WHITE))
    table = bytes((*RED, *GREEN, *BLUE))
    rows = b"".join(b"\0" + bytes([0, 1] if y < 1 else [2, 2]) for y in range(2))
    body = chunk(b"PLTE", table) + chunk(b"tRNS", b"\xff\x00") + chunk(b"IDAT", zlib.compress(rows))
    data = png_header(2, 2, colour=3) + body + IEND
    yield picture("palette-alpha.png", data, ((0, 0), RED), ((1, 0), WHITE), ((0, 1), BLUE), off=0)
    body = chunk(b"tRNS", struct.pack(">3H", *GREEN)) + chunk(
        b"IDAT", zlib.compress(b"\0" + bytes((*RED, *GREEN)))
    )
    data = png_header(2, 1) + body + IEND
    yield picture("colour-key.png", data, ((0, 0), RED), ((1, 0), WHITE), off=0)
    body = chunk(b"tRNS", struct.pack(">H", 7)) + chunk(b"IDAT", zlib.compress(b"\0\x07\x40"))
    data = png_header(2, 1, colour=0) + body + IEND
    yield picture("grey-key.png", data, ((0, 0), WHITE), ((1, 0), (64,) * 3), off=0)
    indexed = quarters().quantize(8)
    indexed.info["transparency"] = indexed.getpixel((40, 5))
    yield picture("transparent.gif", save(indexed, "GIF"), ((5, 5), RED), ((40, 5), WHITE), off=25)


def colours() -> Iterator[Hostile]:
    """CMYK in its varieties, other colour spaces and ICC profiles, sound and broken."""
    ink = quarters().convert("CMYK")
    yield picture("cmyk.jpg", save(ink, "JPEG", **FINE), *corners())
    yield picture("cmyk.tiff", save(ink, "TIFF"), *corners())
    yield picture("ycck.jpg", _ycck(), *corners())
    lab = Image.new("LAB", (8, 8), (255, 128, 128))
    yield picture("lab.tiff", save(lab, "TIFF"), ((3, 3), WHITE))
    yield picture("grey.jpg", save(quarters().convert("L"), "JPEG"), size=(48, 32))
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        data = save(quarters(), "TIFF", compression=compression)
        yield picture(f"{compression}.tiff", data, *corners())

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Red and green primaries exchanged: whoever applies the profile sees green for red.
    swapped = srgb.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    green = Image.new("RGB", (8, 8), (0, 255, 0))
    for kind in ("PNG", "TIFF"):
        data = save(green, kind, icc_profile=swapped)
        yield picture(f"swapped-profile.{kind.lower()}", data, ((3, 3), (255, 0, 0)), off=6)
    data = save(quarters(), "PNG", icc_profile=srgb)
    yield picture("srgb-profile.png", data, *corners(), off=2)
    grey = save(Image.new("L", (8, 8), 200), "JPEG", icc_profile=srgb)
    yield picture("grey-with-rgb-profile.jpg", grey, ((3, 3), (200,) * 3), off=3)
    paper = save(Image.new("CMYK", (8, 8)), "JPEG", icc_profile=_green_paper())
    yield picture("cmyk-profile.jpg", paper, ((3, 3), (0, 170, 70)), off=30)
    says = "Its colour profile cannot be used and is ignored."
    for name, profile in (
        ("broken", srgb[:200]),
        ("garbage", b"not a profile at all" * 9),
        ("other-space", srgb[:16] + b"CMYK" + srgb[20:]),
    ):
        data = save(quarters(), "JPEG", icc_profile=profile, **FINE)
        yield picture(f"{name}-profile.jpg", data, *corners(), says=says)
    data = save(ink, "JPEG", icc_profile=srgb, **FINE)
    yield picture("cmyk-with-rgb-profile.jpg", data, *corners(), says=says)


def layouts() -> Iterator[Hostile]:
    """The same picture stored in other ways, and under another name than its own."""
    yield picture("interlaced.png", _interlaced(quarters()), *corners(), size=(48, 32))
    yield picture("jpeg-named.png", save(quarters(), "JPEG", **FINE), *corners(), size=(48, 32))
    yield picture("png-named.jpg", save(quarters(), "PNG"), *corners(), size=(48, 32))
    yield picture("progressive.jpg", save(quarters(), "JPEG", progressive=True, **FINE), *corners())
    both = save(quarters(), "MPO", save_all=True, append_images=[quarters(24, 16)], **FINE)
    yield picture("two-pictures.mpo", both, *corners(), size=(48, 32))
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        image = quarters().quantize(16) if mode == "P" else quarters().convert(mode)
        looks = () if mode in ("1", "L") else corners()
        yield picture(f"{mode.lower()}.bmp", save(image, "BMP"), *looks, size=(48, 32))
    rows = struct.pack("<2H", 0x7C00, 0x03E0)
    yield picture("555.bmp", bmp(2, 1, 16, rows), ((0, 0), (255, 0, 0)), ((1, 0), (0, 255, 0)))
    down = bmp(1, -2, 24, b"\x00\x00\xff\0\xff\x00\x00\0")
    yield picture("top-down.bmp", down, ((0, 0), (255, 0, 0)), ((0, 1), (0, 0, 255)), off=0)
    for lossless in (False, True):
        data = save(quarters(), "WEBP", lossless=lossless, quality=95)
        name = "lossless.webp" if lossless else "lossy.webp"
        yield picture(name, data, *corners(), off=40)
    yield picture("plain.avif", save(quarters(), "AVIF", quality=95), *corners(), off=40)
    yield picture("plain.gif", save(quarters(), "GIF"), *corners(), ((40, 26), GOLD))


def _ycck() -> bytes:
    """A CMYK JPEG as Adobe writes it: Y, Cb, Cr and K, which Pillow reads but does not write."""
    luma = ImageChops.invert(quarters()).convert("YCbCr").split()
    stored = Image.merge("CMYK", [*map(ImageChops.invert, luma), Image.new("L", (48, 32), 0)])
    data = save(stored, "JPEG", **FINE)
    at = data.index(b"Adobe") + 11
    return data[:at] + b"\x02" + data[at + 1 :]


def _green_paper() -> bytes:
    """A CMYK profile that shows paper without ink as green, and everything else as black."""
    curve = bytes(range(256))
    lab = bytes((154, 68, 168))  # L* 60, a* −60, b* 40
    identity = b"".join(struct.pack(">i", 65536 if i % 4 == 0 else 0) for i in range(9))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity
    lut += curve * 4 + lab + bytes((0, 128, 128)) * 15 + curve * 3
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(lut))
    head = struct.pack(
        ">I4sI4s4s4s", 144 + len(lut), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + tags + lut


def _interlaced(image: Image.Image) -> bytes:
    """An Adam7 PNG, which Pillow reads but does not write."""
    rows = []
    for x0, y0, dx, dy in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):  # fmt: skip
        for y in range(y0, image.height, dy):
            line = [image.getpixel((x, y)) for x in range(x0, image.width, dx)]
            rows.append(b"\0" + bytes(level for pixel in line for level in pixel))
    header = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 1)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + data + IEND
