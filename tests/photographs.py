"""scikit-image's photographs."""

import skimage.data
from PIL import Image

NAMES = ("coffee", "chelsea", "astronaut")


def photograph(name: str, box: tuple[int, int, int, int] | None = None) -> Image.Image:
    """One of NAMES, in RGB; or what of it lies in the box."""
    picture = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
    return picture if box is None else picture.crop(box)
