"""How many frames a file has, without decoding them."""

from PIL import Image

MANY = 1000


def note_on_frames(image: Image.Image, data: bytes) -> str | None:
    """A note where only the first of several frames or pages is used, else None.

    The pictures that a phone adds to a JPEG (MPO: depth, gain map, preview) are not frames.
    """
    if image.format == "GIF":
        # Pillow's own count takes seconds where a file has a million small frames.
        frames = _gif_frames(data)
    elif image.format == "TIFF":
        return "Only the first page is used." if getattr(image, "is_animated", False) else None
    elif image.format == "MPO":
        return None
    else:
        frames = getattr(image, "n_frames", 1)  # from the header, which may say anything
    if frames > MANY:
        return f"Only the first of more than {MANY} frames is used."
    return f"Only the first of {frames} frames is used." if frames > 1 else None


def _gif_frames(data: bytes) -> int:
    """Image blocks of a GIF file; counting stops after MANY + 1 or where the file is cut off."""
    count, position = 0, 13 + _palette_bytes(data[10])
    for _ in range(100 * MANY):  # blocks without a picture must end as well
        block = data[position : position + 10]
        if block[:1] == b"!":
            position += 2
        elif block[:1] == b"," and len(block) == 10:
            count += 1
            position += 11 + _palette_bytes(block[9])
        else:
            return count
        if count > MANY:
            return count
        while position < len(data) and data[position]:
            position += 1 + data[position]
        position += 1
    return count


def _palette_bytes(flags: int) -> int:
    """Size of the colour table that a GIF flag byte announces."""
    return 3 << ((flags & 7) + 1) if flags & 128 else 0
