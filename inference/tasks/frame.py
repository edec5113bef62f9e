"""The size of a task's result, and what the model is given to paint so that it comes out so."""

from dataclasses import dataclass
from math import lcm

import numpy as np
from PIL import Image

from inference.limits import MIN_SIDE, SIDE_MULTIPLE
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.sizes import work_size


def grid(info: ModelInfo) -> int:
    """The sides of a request that is painted without padding are multiples of this, pixels."""
    return lcm(SIDE_MULTIPLE, info.multiple)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Width and height in pixels of the result and, padded as the engine pads, of the work.

    A program states the work's size in its requests. Left to itself, a request for a picture that
    has the result's size already might settle on another: rounding the shape twice is not the
    same as rounding it once.
    """

    size: tuple[int, int]
    work: tuple[int, int]

    @classmethod
    def of(cls, request: GenerationRequest, source: Image.Image, info: ModelInfo) -> "Frame":
        """That of the result. Raises RequestError where it would be beyond a limit."""
        size = request.size(source.size, info.pixel_budget)
        width, height = (max(MIN_SIDE, side) for side in size)
        return cls(size=size, work=work_size(width, height, grid(info)))

    def fitted(self, picture: Image.Image) -> Image.Image:
        """At the result's size."""
        if picture.size == self.size:
            return picture
        return picture.resize(self.size, Image.Resampling.LANCZOS)

    def padded(self, picture: Image.Image) -> Image.Image:
        """At the work's size: `fitted`, its right and lower edges repeated."""
        right, below = (self.work[i] - self.size[i] for i in (0, 1))
        pixels = np.asarray(self.fitted(picture))
        return Image.fromarray(np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge"))

    def cropped(self, picture: Image.Image) -> Image.Image:
        """What of a picture at the work's size is the result."""
        return picture.crop((0, 0, *self.size))

    def request(self, plain: GenerationRequest, image: bytes) -> GenerationRequest:
        """A plain request to paint over `image`, which is `padded`."""
        return plain.change(image=image, width=self.work[0], height=self.work[1])
