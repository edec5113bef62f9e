"""What a file is by its first bytes, in words for the person who posted it."""

PICTURES = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftypavis", "AVIF"),
)

OTHERS = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "a ZIP archive"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL \r\n", "a JPEG XL picture"),
    (4, b"jP  \r\n", "a JPEG 2000 picture"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC picture"),
    (4, b"ftyp", "a video"),
    (0, b"\x1a\x45\xdf\xa3", "a video"),
    (0, b"ID3", "a sound file"),
    (0, b"OggS", "a sound file"),
    (8, b"WAVE", "a sound file"),
    (0, b"\x1f\x8b", "a packed archive"),
    (0, b"7z\xbc\xaf", "a packed archive"),
    (0, b"Rar!", "a packed archive"),
    (0, b"MZ", "a program"),
    (0, b"\x7fELF", "a program"),
)

TEXTS = (
    (b"<svg", "an SVG drawing"),
    (b"<html", "a web page"),
    (b"<!doctype html", "a web page"),
)


def picture_format(data: bytes) -> str | None:
    """The format, "PNG" …, whose signature the file has, or None."""
    return _match(data, PICTURES)


def describe(data: bytes) -> str:
    """What a file that is no readable picture seems to be, as a noun with its article."""
    if known := _match(data, OTHERS):
        return known
    head = data[:2048].lower()
    for mark, name in TEXTS:
        if mark in head:
            return name
    return "a text file" if _is_text(data[:2048]) else "not a picture"


def _match(data: bytes, table: tuple[tuple[int, bytes, str], ...]) -> str | None:
    for offset, magic, name in table:
        if data.startswith(magic, offset):
            return name
    return None


def _is_text(head: bytes) -> bool:
    """True where the bytes are printable UTF-8 (a character cut at the end is forgiven)."""
    text = head.decode("utf-8", errors="replace").rstrip("\ufffd")
    return bool(text) and all(one.isprintable() or one in "\r\n\t" for one in text)
