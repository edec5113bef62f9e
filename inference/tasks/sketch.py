"""A rough drawing made ready to be painted over: clean paper, lines kept."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

DARK_PAPER = 96
"""Drawings whose median is darker are chalk on a board, and left as they are; 0…255."""

_INK = 0.35
_PAPER = 0.88
"""Brightness relative to the paper around it: below _INK it is ink, above _PAPER it is paper."""


def clean_drawing(picture: Image.Image) -> Image.Image:
    """An RGB drawing, or a photograph of one, on white paper without shadows.

    Each place is divided by the paper's colour around it, which is what remains when everything
    thinner than a line's neighbourhood is taken away (a closing, smoothed); then what is nearly
    paper becomes white. Coloured lines keep their colour. Same size.
    """
    pixels = np.asarray(picture, dtype=np.float32)
    if float(np.median(pixels.mean(axis=2))) < DARK_PAPER:
        return picture
    paper = np.maximum(_paper(picture), 1.0)
    share = np.clip(pixels / paper, 0.0, 1.0)
    cleaned = (share - _INK) / (_PAPER - _INK)
    return Image.fromarray((np.clip(cleaned, 0, 1) * 255).round().astype(np.uint8))


def _paper(picture: Image.Image) -> NDArray[np.float32]:
    """The paper's colour at each place, [h, w, 3], 0…255."""
    # At a small size: paper changes slowly, and a closing over a large neighbourhood costs.
    side = 96
    scale = side / max(picture.size)
    size = tuple(max(8, round(length * min(1.0, scale))) for length in picture.size)
    small = picture.resize((size[0], size[1]), Image.Resampling.BOX)
    reach = 9  # a tenth of the picture: more than any line is wide
    closed = small.filter(ImageFilter.MaxFilter(reach)).filter(ImageFilter.MinFilter(reach))
    smooth = closed.filter(ImageFilter.GaussianBlur(reach / 2))
    full = smooth.resize(picture.size, Image.Resampling.BICUBIC)
    return np.asarray(full, dtype=np.float32)
