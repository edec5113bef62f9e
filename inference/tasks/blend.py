"""Two pictures in one: their details laid into each other, then painted over together."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from inference.model_info import ModelInfo
from inference.options import Blend
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult
from inference.tasks.files import as_png, finished, opened
from inference.tasks.frame import Frame
from inference.tasks.match import matched
from inference.tasks.programs import Product, Program, Round

_SMALLEST = 4
"""The side in pixels at which only colour is left to mix."""

Pixels = NDArray[np.float32]


def blend(request: GenerationRequest, info: ModelInfo) -> Program:
    """The two pictures mixed at the result's size, and one plain request over that.

    The second one fills the first one's shape: what sticks out of it is cut off. Strength 0 gives
    the mix itself; at balance 0 the first picture alone is painted over, at 1 the second.
    """
    assert isinstance(request.options, Blend)
    assert request.image is not None
    assert request.second is not None
    first = opened(request.image).convert("RGB")
    frame = Frame.of(request, first, info)
    other = ImageOps.fit(
        opened(request.second).convert("RGB"), frame.size, Image.Resampling.LANCZOS
    )
    mix = mixed(frame.fitted(first), other, request.options.balance)
    plain = request.change(task="img2img", options=None, second=None, match_colours=False)
    (result,) = yield Round(requests=[frame.request(plain, as_png(frame.padded(mix)))])
    return Product(images=tuple(_images(request, result, frame, mix)))


def mixed(first: Image.Image, second: Image.Image, balance: float) -> Image.Image:
    """Two RGB pictures of one size laid into each other. balance: 0…1, 0 is the first exactly.

    Of each band of a Laplacian pyramid (Burt & Adelson, A Multiresolution Spline, 1983) a place
    gets more of the picture that has more to show there, by squared detail weighed with the
    balance, like in Burt & Kolczynski, Enhanced Image Capture through Fusion (1993). Only the
    last band, colour without detail, is cross-faded: a plain cross-fade halves all contrasts,
    and a model takes the pale double for haze.
    """
    if balance in (0, 1):
        return second if balance else first
    bands = zip(_bands(first), _bands(second), strict=True)
    *details, (coarse, other_coarse) = bands
    whole = coarse + balance * (other_coarse - coarse)
    for detail, other in reversed(details):
        whole = _scaled(whole, detail.shape) + _chosen(detail, other, balance)
    return Image.fromarray(np.clip(np.rint(whole), 0, 255).astype(np.uint8))


def _images(
    request: GenerationRequest, result: GenerationResult, frame: Frame, mix: Image.Image
) -> list[GeneratedImage]:
    images = []
    for image in result.images:
        picture = frame.cropped(opened(image.data))
        if request.match_colours:
            picture = matched(picture, mix)
        images.append(finished(picture, image.seed))
    return images


def _chosen(detail: Pixels, other: Pixels, balance: float) -> Pixels:
    """A share of each, at each place the same one for all channels."""
    own = (1 - balance) * _strength(detail)
    its = balance * _strength(other)
    share = (its + balance * 1e-3) / (own + its + 1e-3)
    return detail + share * (other - detail)


def _strength(detail: Pixels) -> Pixels:
    """Squared detail around each place, [h, w, 1]."""
    energy = (detail**2).sum(axis=2, keepdims=True)
    height, width = energy.shape[:2]
    small = (max(1, height // 4), max(1, width // 4))
    return np.maximum(_scaled(_scaled(energy, small), (height, width)), 0)


def _bands(picture: Image.Image) -> list[Pixels]:
    """From the finest to what is left of colour; each one's sum with the next, scaled, is whole."""
    whole = np.asarray(picture, dtype=np.float32)
    bands = []
    while min(whole.shape[:2]) >= 2 * _SMALLEST:
        half = _scaled(whole, (whole.shape[0] // 2, whole.shape[1] // 2))
        bands.append(whole - _scaled(half, whole.shape))
        whole = half
    return [*bands, whole]


def _scaled(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """[h, w, channels] at the height and width that `shape` begins with."""
    size = (shape[1], shape[0])
    planes = [
        Image.fromarray(np.ascontiguousarray(pixels[..., channel])).resize(
            size, Image.Resampling.BILINEAR
        )
        for channel in range(pixels.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)
