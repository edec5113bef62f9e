"""Image to image and its kin: what happens around the denoising loop. Pillow and numpy only."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.control_info import ControlInfo
from inference.errors import PictureError
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GeneratedImage
from inference.sizes import work_size
from inference.tasks.control_picture import control_picture
from inference.tasks.files import alike, finished, opened
from inference.tasks.match import matched
from inference.tasks.once import once
from inference.tasks.treatment import PLAIN, TREATMENTS, Treatment

DRAWN = {"sketch"}
"""The tasks whose source is a drawing, for a ControlNet to follow or a painter to paint."""

Painter = Callable[[Image.Image], Image.Image]
"""Makes a painting of a drawing, RGB both and of one size. From any thread."""

Finisher = Callable[[Image.Image, Image.Image, str], Image.Image]
"""Makes of a source, what was painted over it and the prompt the finished picture; likewise."""

GREY = np.float32(127.5)
"""Half way between black and white: what a model is shown where there is nothing."""


@dataclass(frozen=True, kw_only=True)
class Img2Img:
    """One request with its sizes settled.

    size: of the result, width and height in pixels; work: padded to the model's multiple.
    control: the ControlNet that sees the source, or None.
    painter: makes a small painting of the drawing, which is then painted over, or None.
    finisher: gives what was painted the details that the model could not see, or None.
    """

    request: GenerationRequest
    size: tuple[int, int]
    work: tuple[int, int]
    control: ControlInfo | None = None
    painter: Painter | None = None
    finisher: Finisher | None = None

    @classmethod
    def prepare(
        cls,
        request: GenerationRequest,
        info: ModelInfo,
        painter: Painter | None = None,
        finisher: Finisher | None = None,
    ) -> "Img2Img":
        """Settles the sizes: what was asked for, else the source's shape within the budget.

        painter: of the model, for the tasks that use one. finisher: likewise, for every task.

        Raises PictureError for a source that is no picture.
        """
        source = None
        if request.image is not None and request.width is None:
            source = opened(request.image).size
        size = request.size(source, info.pixel_budget)
        return cls(
            request=request,
            size=size,
            work=work_size(*size, info.multiple),
            control=info.control if request.task in DRAWN else None,
            painter=painter if request.task in DRAWN else None,
            finisher=finisher,
        )

    @once
    def source(self) -> Image.Image:
        """The source at the result's size."""
        return self._scaled(self._given)

    @once
    def treated(self) -> Image.Image:
        """What is painted over: the source as the task wants it, at the result's size."""
        wanted = self._scaled(self._treatment.before(self._given))
        return wanted if self.painter is None else self.painter(wanted)

    @property
    def _treatment(self) -> Treatment:
        return TREATMENTS.get(self.request.task, PLAIN)

    @once
    def _given(self) -> Image.Image:
        assert self.request.image is not None  # the request's own rule below strength 1
        return opened(self.request.image).convert("RGB")

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
        return self._padded(self.treated)

    def padded_control(self) -> NDArray[np.uint8]:
        """What the ControlNet sees, likewise at the work size."""
        return self._control

    @once
    def _control(self) -> NDArray[np.uint8]:
        assert self.control is not None
        return self._padded(control_picture(self.treated, self.control.picture))

    def _padded(self, picture: Image.Image) -> NDArray[np.uint8]:
        right, below = (self.work[i] - self.size[i] for i in (0, 1))
        return np.pad(np.asarray(picture), ((0, below), (0, right), (0, 0)), mode="edge")

    @once
    def hole(self) -> NDArray[np.bool_]:
        """What is painted, of each pixel at the work size, [h, w]; all of it without a mask.

        Raises PictureError for a mask of another size than the result's.
        """
        width, height = self.work
        if self.request.mask is None:
            return np.ones((height, width), dtype=np.bool_)
        mask = opened(self.request.mask).convert("L")
        if mask.size != self.size:
            raise PictureError(
                "The mask has {}×{} pixels, and the result {}×{}; they must be of one size.".format(
                    *mask.size, *self.size
                )
            )
        right, below = (self.work[i] - self.size[i] for i in (0, 1))
        # Half and above counts, as where diffusers makes it binary.
        return np.pad(np.asarray(mask) >= 128, ((0, below), (0, right)), mode="edge")

    @property
    def kept_key(self) -> tuple[str, bytes, bytes, tuple[int, int], tuple[int, int]]:
        """As `source_key`, of `padded_kept`."""
        if self.request.mask is None:
            return "kept", b"", b"", self.size, self.work
        task, digest, size, work = self.source_key
        return f"kept {task}", digest, hashlib.sha256(self.request.mask).digest(), size, work

    def padded_kept(self) -> NDArray[np.float32]:
        """As `padded_source`, middle grey where it is painted."""
        if self.request.mask is None:
            return np.full((*self.work[::-1], 3), GREY, dtype=np.float32)
        return np.where(self.hole[..., None], GREY, self.padded_source().astype(np.float32))

    def picture(self, index: int, pixels: NDArray[np.uint8]) -> GeneratedImage:
        """The finished picture `index` from pixels of the work size."""
        width, height = self.size
        painted = Image.fromarray(pixels[:height, :width])
        if self.request.image is not None:
            if self.finisher is not None:
                painted = self.finisher(self.treated, painted, self.request.prompt)
            painted = self._treatment.after(self.source, painted)
            if self.request.match_colours:
                painted = matched(painted, self.source)
        return finished(painted, self.request.seed_of(index))

    def unchanged(self) -> tuple[GeneratedImage, ...]:
        """What strength 0 gives: the source itself."""
        return alike(self.source, self.request)
