"""Image to image and its kin: what happens around the denoising loop. Pillow and numpy only."""

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
from inference.tasks.treatment import TREATMENTS, Treatment


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
        return self._scaled(self._given)

    @cached_property
    def treated(self) -> Image.Image:
        """What is painted over: the source as the task wants it, at the result's size."""
        return self._scaled(self._treatment.before(self._given))

    @property
    def _treatment(self) -> Treatment:
        return TREATMENTS[self.request.task]

    @cached_property
    def _given(self) -> Image.Image:
        assert self.request.image is not None  # the request's own rule below strength 1
        return _open(self.request.image).convert("RGB")

    def _scaled(self, picture: Image.Image) -> Image.Image:
        if picture.size == self.size:
            return picture
        return picture.resize(self.size, Image.Resampling.LANCZOS)

    @property
    def source_key(self) -> tuple[str, bytes, tuple[int, int], tuple[int, int]]:
        """Equal for requests whose source enters the model alike."""
        digest = hashlib.sha256(self.request.image or b"").digest()
        return self.request.task, digest, self.size, self.work

    def padded_source(self) -> NDArray[np.uint8]:
        """What is painted over at the work size, its right and lower edges repeated."""
        pixels = np.asarray(self.treated)
        right, below = (self.work[i] - self.size[i] for i in (0, 1))
        return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")

    def picture(self, index: int, pixels: NDArray[np.uint8]) -> GeneratedImage:
        """The finished picture `index` from pixels of the work size."""
        width, height = self.size
        painted = Image.fromarray(pixels[:height, :width])
        if self.request.image is not None:
            painted = self._treatment.after(self.source, painted)
        return self._as_result(index, painted)

    def unchanged(self) -> tuple[GeneratedImage, ...]:
        """What strength 0 gives: the source itself."""
        return tuple(self._as_result(i, self.source) for i in range(self.request.count))

    def _as_result(self, index: int, picture: Image.Image) -> GeneratedImage:
        buffer = io.BytesIO()
        # Of zlib's levels the last before time rises steeply; the usual 6 takes three times as
        # long for 2 % less.
        picture.save(buffer, "PNG", compress_level=4)
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
