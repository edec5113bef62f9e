"""New pixels around a picture, whose own stay as they are."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference.errors import RequestError
from inference.model_info import ModelInfo
from inference.options import Outpaint
from inference.request import GenerationRequest
from inference.tasks.files import finished, opened
from inference.tasks.filling import noised
from inference.tasks.patch import patch_request, patch_size, scaled_mask
from inference.tasks.programs import Product, Program, Round
from inference.tasks.seam import joined

NOISE = 20.0
"""Standard deviation, of 255, of the noise over what the new pixels are guessed to be."""

OVERLAP = 8
"""How far a model paints into the picture, in pixels at its own scale, so that it continues lines
instead of beginning new ones. What it paints there is thrown away."""

_TURNS = {
    "right": (),
    "left": (Image.Transpose.FLIP_LEFT_RIGHT,),
    "bottom": (Image.Transpose.TRANSPOSE,),
    "top": (Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """What is added at one side. side: its name. amount: pixels."""

    side: str
    amount: int

    def turned(self, picture: Image.Image) -> Image.Image:
        """The picture as if it grew to the right."""
        for turn in _TURNS[self.side]:
            picture = picture.transpose(turn)
        return picture

    def upright(self, picture: Image.Image) -> Image.Image:
        """The inverse of `turned`."""
        for turn in reversed(_TURNS[self.side]):
            picture = picture.transpose(turn)
        return picture

    def known(self, picture: Image.Image) -> Image.Image:
        """What the model sees of the picture, turned: at least as much as is new, where it is
        there, and else what makes a square of the whole."""
        turned = self.turned(picture)
        width = min(turned.width, max(self.amount, turned.height - self.amount))
        return turned.crop((turned.width - width, 0, turned.width, turned.height))

    def request(
        self, picture: Image.Image, request: GenerationRequest, info: ModelInfo
    ) -> GenerationRequest:
        """What the engine is asked for."""
        known = self.known(picture)
        whole = self.upright(_guessed(known, self.amount))
        size = patch_size(whole.size, info)
        scale = max(whole.width / size[0], whole.height / size[1])
        overlap = min(known.width // 2, math.ceil(OVERLAP * scale))
        new, painted = (
            scaled_mask(self.upright(_right_of(known.width - inside, known, self.amount)), size)
            for inside in (0, overlap)
        )
        under = whole.resize(size, Image.Resampling.LANCZOS)
        under = noised(under, new, amount=NOISE, seed=request.seed)
        return patch_request(request, info, under, painted)

    def added_to(
        self, grown: Image.Image, picture: Image.Image, painted: Image.Image
    ) -> Image.Image:
        """The picture that has grown, with what was painted beside it.

        picture: what the model saw; grown: the same, perhaps with a strip at the other side.
        """
        known = np.asarray(self.known(picture))
        size = (known.shape[1] + self.amount, known.shape[0])
        seen = self.turned(painted).resize(size, Image.Resampling.LANCZOS)
        new = joined(known, np.asarray(seen))
        both = np.concatenate([np.asarray(self.turned(grown)), new], axis=1)
        return self.upright(Image.fromarray(both))


def outpaint(request: GenerationRequest, info: ModelInfo) -> Program:
    """The picture grown at its left and right, and what came of that at its top and bottom.

    Raises RequestError for a size of its own, and beyond the largest that there is.
    """
    options = request.options
    assert isinstance(options, Outpaint) and request.image is not None
    if request.width is not None:
        raise RequestError(
            "The size of an outpainted picture follows from how far its sides grow; leave out "
            "width and height."
        )
    source = opened(request.image).convert("RGB")
    options.size(source.size, info.pixel_budget)
    left, top, right, bottom = options.margins(source.size)
    rounds = [_strips(left=left, right=right), _strips(top=top, bottom=bottom)]
    singles = [request.single(index) for index in range(request.count)]
    pictures = [source for _ in singles]
    later = sum(map(len, rounds))
    for strips in filter(None, rounds):
        later -= len(strips)
        asked = [
            strip.request(picture, single, info)
            for picture, single in zip(pictures, singles, strict=True)
            for strip in strips
        ]
        results = iter((yield Round(requests=asked, more=later * request.total_steps)))
        for index, picture in enumerate(pictures):
            for strip in strips:
                painted = opened(next(results).images[0].data)
                pictures[index] = strip.added_to(pictures[index], picture, painted)
    return Product(
        images=tuple(
            finished(picture, single.seed)
            for picture, single in zip(pictures, singles, strict=True)
        )
    )


def _strips(**amounts: int) -> list[Strip]:
    return [Strip(side=side, amount=amount) for side, amount in amounts.items() if amount]


def _guessed(known: Image.Image, amount: int) -> Image.Image:
    """The picture with `amount` more at its right: its reflection, out of focus."""
    pixels: NDArray[np.uint8] = np.pad(
        np.asarray(known), ((0, 0), (0, amount), (0, 0)), mode="symmetric"
    )
    whole = Image.fromarray(pixels)
    soft = whole.filter(ImageFilter.GaussianBlur(max(2, min(amount, known.height) / 16)))
    soft.paste(known)
    return soft


def _right_of(column: int, known: Image.Image, amount: int) -> Image.Image:
    """A mask in L that is white from this column on."""
    mask = Image.new("L", (known.width + amount, known.height))
    mask.paste(255, (column, 0, *mask.size))
    return mask
