"""Pictures compared: two side by side, a wipe from one to the other, and a labelled sheet."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from inference.encoding import open_png
from inference.picture import SHEET_COLUMNS

GAP = 8
"""Pixels between pictures, in `_PAPER`."""

SHEET_SIDE = 512

WIPE_SIDE = 480
"""Longest side of the animation, pixels: a GIF of it stays within a few megabytes."""

FRAMES = 18
FRAME_MS, REST_MS = 60, 700

_PAPER = (32, 34, 37)
_TEXT = (220, 221, 222)
_LINE = 255  # the palette's last colour, white


def side_by_side(before: bytes, after: bytes) -> bytes:
    """Both in one PNG, equally high; the smaller one is scaled up.

    before, after: PNG files of ours. Raises PictureError where one is damaged.
    """
    pictures = [open_png(before), open_png(after)]
    height = max(picture.height for picture in pictures)
    left, right = (_as_high(picture, height) for picture in pictures)
    sheet = Image.new("RGB", (left.width + GAP + right.width, height), _PAPER)
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + GAP, 0))
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def wipe(before: bytes, after: bytes) -> bytes:
    """A GIF for ever: a line moves over `after` and uncovers `before`, and back again.

    It has the shape of `after`, the other one is cut to it around its middle. A GIF has 256
    colours; it is what every Discord client shows moving. Raises PictureError.
    """
    last = open_png(after)
    last.thumbnail((WIPE_SIDE, WIPE_SIDE), Image.Resampling.LANCZOS)
    first = _covering(open_png(before), last.size)
    first_colours, last_colours = _few_colours(first, last)
    there = [_frame(first_colours, last_colours, step / (FRAMES - 1)) for step in range(FRAMES)]
    frames = there + there[-2:0:-1]
    times = [FRAME_MS] * len(frames)
    times[0] = times[FRAMES - 1] = REST_MS
    out = BytesIO()
    frames[0].save(
        out, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=False
    )
    return out.getvalue()


def _few_colours(first: Image.Image, last: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Both with one palette, whose last colour is the line's: so still parts do not flicker."""
    both = Image.new("RGB", (last.width, last.height * 2))
    both.paste(first, (0, 0))
    both.paste(last, (0, last.height))
    few = both.quantize(_LINE)
    colours = (few.getpalette() or [])[: 3 * _LINE]
    few.putpalette([*colours, *[0] * (3 * _LINE - len(colours)), 255, 255, 255])
    middle = (0, last.height, last.width, 2 * last.height)
    return few.crop((0, 0, *last.size)), few.crop(middle)


def _frame(first: Image.Image, last: Image.Image, share: float) -> Image.Image:
    """`last`, of which a share (0…1) from the left is still `first`'s."""
    place = round(last.width * share)
    frame = last.copy()
    frame.paste(first.crop((0, 0, place, last.height)), (0, 0))
    if 0 < place < last.width:
        ImageDraw.Draw(frame).line(((place, 0), (place, last.height)), fill=_LINE, width=2)
    return frame


def _as_high(picture: Image.Image, height: int) -> Image.Image:
    if picture.height == height:
        return picture
    width = max(1, round(picture.width * height / picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _covering(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scaled so that it just covers the size, and cut around its middle."""
    scale = max(size[0] / picture.width, size[1] / picture.height)
    wide, high = size[0] / scale, size[1] / scale
    left, top = (picture.width - wide) / 2, (picture.height - high) / 2
    return picture.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + wide, top + high))


def labelled_sheet(pictures: Sequence[bytes], labels: Sequence[str]) -> bytes:
    """Pictures of one size in rows of SHEET_COLUMNS, a label below each, in one PNG.

    None is larger than SHEET_SIDE pixels on its longest side. Raises PictureError.
    """
    cells = [open_png(picture) for picture in pictures]
    for cell in cells:
        cell.thumbnail((SHEET_SIDE, SHEET_SIDE), Image.Resampling.LANCZOS)
    width, height = cells[0].size
    columns = min(SHEET_COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    band = max(18, height // 12)
    sheet = Image.new(
        "RGB", (columns * (width + GAP) - GAP, rows * (height + band + GAP) - GAP), _PAPER
    )
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(band * 0.7)
    for number, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        left = number % columns * (width + GAP)
        top = number // columns * (height + band + GAP)
        sheet.paste(cell, (left, top))
        pen.text(
            (left + width / 2, top + height + band / 2), label, fill=_TEXT, font=font, anchor="mm"
        )
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()
