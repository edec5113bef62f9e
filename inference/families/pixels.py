"""Pictures as the small networks see them that work on pixels, and back."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional


def as_tensor(picture: Image.Image) -> Tensor:
    """float32 [1, 3, h, w] in -1..1, of a picture in any mode."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None]
    return pixels.float().div(127.5).sub(1)


def as_picture(made: Tensor) -> Image.Image:
    """The inverse of `as_tensor`, clipped."""
    pixels = made.clamp(-1, 1).add(1).mul(127.5).round().byte()[0].permute(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(pixels.cpu().numpy()))


def padded(pictures: Tensor, factor: int) -> Tensor:
    """[n, c, h, w] with the lower and right edges repeated until both sides are multiples."""
    below, right = (-side % factor for side in pictures.shape[2:])
    return functional.pad(pictures, (0, right, 0, below), mode="replicate")
