"""A part of a picture as a model is asked to paint within it."""

import numpy as np
from PIL import Image

from inference.limits import MIN_SIDE
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.sizes import multiple_size
from inference.tasks.files import as_png
from inference.tasks.frame import grid
from inference.tasks.mask import on_grid


def patch_size(size: tuple[int, int], info: ModelInfo) -> tuple[int, int]:
    """Width and height at which the model paints a part of this size: about its own budget."""
    wide, high = multiple_size(*size, info.pixel_budget, grid(info))
    return max(wide, MIN_SIDE), max(high, MIN_SIDE)


def patch_request(
    request: GenerationRequest, info: ModelInfo, under: Image.Image, painted: Image.Image
) -> GenerationRequest:
    """The plain request for a patch of `patch_size`.

    under: what is painted over, RGB. painted: where, in L, 0 or 255.
    """
    return request.change(
        task="img2img",
        options=None,
        second=None,
        width=under.width,
        height=under.height,
        image=as_png(under),
        mask=as_png(on_grid(painted, info.multiple)),
    )


def told_request(request: GenerationRequest, under: Image.Image) -> GenerationRequest:
    """The same for a model that follows instructions, which knows neither mask nor strength."""
    return request.change(
        task="edit",
        options=None,
        second=None,
        strength=1.0,
        width=under.width,
        height=under.height,
        image=as_png(under),
    )


def scaled_mask(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A mask in L, 0 or 255, at another size; what is touched at all is within."""
    if mask.size == size:
        return mask
    # As floats: a pixel's share of thousands is rounded to nothing in L.
    shares = mask.convert("F").resize(size, Image.Resampling.BOX)
    return Image.fromarray(np.where(np.asarray(shares) > 0, np.uint8(255), np.uint8(0)))
