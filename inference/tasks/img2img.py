"""Image to image: what happens around the denoising loop. Pillow and numpy only."""

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from inference.errors import PictureError
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GeneratedImage
from inference.sizes import result_size, work_size


@dataclass(frozen=True, kw_only=True)
class Img2Img:
    """One request with its sizes settled.

    size: of the result, width and height in pixels; work: padded to the model's multiple.
    """

    request: GenerationRequest
    size: tuple[int, int]
    work: tuple[int, int]

    @classmethod
    def prepare(cls, request: GenerationRequest, info: ModelInfo) -> "Img2Img":
        """Settles the sizes: what was asked for, else the source's shape within the budget.

        Raises PictureError for a source that is no picture.
        """
        if request.width is not None and request.height is not None:
            size = (request.width, request.height)
        elif request.image is not None:
            size = result_size(*_open(request.image).size, info.pixel_budget)
        else:
            size = result_size(1, 1, info.pixel_budget)
        return cls(request=request, size=size, work=work_size(*size, info.multiple))

    @cached_property
    def source(self) -> Image.Image:
        """The source at the result's size."""
        assert self.request.image is not None  # the request's own rule below strength 1
        picture = _open(self.request.image).convert("RGB")
        if picture.size == self.size:
            return picture
        return picture.resize(self.size, Image.Resampling.LANCZOS)

    @property
    def source_key(self) -> tuple[bytes, tuple[int, int], tuple[int, int]]:
        """Equal for requests whose source enters the model alike."""
        return hashlib.sha256(self.request.image or b"").digest(), self.size, self.work

    def padded_source(self) -> NDArray[np.uint8]:
        """The source at the work size, its right and lower edges repeated."""
        pixels = np.asarray(self.source)
        right, below = (self.work[i] - self.size[i] for i in (0, 1))
        return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")

    def picture(self, index: int, pixels: NDArray[np.uint8]) -> GeneratedImage:
        """The finished picture `index` from pixels of the work size."""
        width, height = self.size
        return self._as_result(index, Image.fromarray(pixels[:height, :width]))

    def unchanged(self) -> tuple[GeneratedImage, ...]:
        """What strength 0 gives: the source itself."""
        return tuple(self._as_result(i, self.source) for i in range(self.request.count))

    def _as_result(self, index: int, picture: Image.Image) -> GeneratedImage:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return GeneratedImage(
            data=buffer.getvalue(),
            width=picture.width,
            height=picture.height,
            seed=self.request.seed_of(index),
        )


def _open(data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise PictureError(f"The source picture cannot be read: {error}.") from error
    return picture
