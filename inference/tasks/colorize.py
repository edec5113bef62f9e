"""Colour for a grey picture: the light is the source's, exactly, and only the colour is painted."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601, what Pillow and most programs call grayscale."""


def without_colour(picture: Image.Image) -> Image.Image:
    """The picture in grey, also one that was tinted or has faded colours. RGB, same size."""
    return picture.convert("L").convert("RGB")


def coloured(source: Image.Image, painted: Image.Image) -> Image.Image:
    """The source's luma with the colours of `painted`. Both RGB and of one size.

    Where a colour would leave RGB at that luma it is made paler, which keeps luma and hue.
    """
    luma = (np.asarray(source, dtype=np.float32) @ LUMA)[..., None]
    colours = np.asarray(painted, dtype=np.float32)
    difference = colours - (colours @ LUMA)[..., None]
    room = np.where(difference > 0, 255 - luma, luma)
    scale = room / np.maximum(np.abs(difference), 1e-3)
    paler = np.minimum(scale.min(axis=2, keepdims=True), 1.0)
    return Image.fromarray(_rounded(luma + paler * difference))


def _rounded(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
