"""A picture that came back painted over: where, is the mask of what is to be painted anew."""

from PIL import Image, ImageChops

from inference.errors import PictureError
from inference.tasks.files import as_png, opened
from inference.tasks.mask import difference_mask, transparent_mask


def mask_by_hand(original: bytes, painted: bytes) -> bytes:
    """The mask, a PNG in L of the original's size: where it was painted over or rubbed out.

    original, painted: files of pictures that were normalised, the latter with its transparency.
    Raises RequestError for another shape, and PictureError where no difference is found.
    """
    before, after = opened(original), opened(painted)
    mask = difference_mask(before.convert("RGB"), after.convert("RGB"))
    rubbed = transparent_mask(after)
    if rubbed is not None:
        mask = ImageChops.lighter(mask, rubbed.resize(mask.size, Image.Resampling.NEAREST))
    if mask.getbbox() is None:
        raise PictureError(
            "No difference to the picture is found; paint over the part that is to change, in a "
            "colour that stands out, and send that."
        )
    return as_png(mask)
