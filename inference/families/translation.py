"""pix2pix models behind the engine's interface: one pass, no noise, nothing to steer by words."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from inference.errors import RequestError
from inference.families.pix2pix import Generator, load_generator, luma, with_chroma
from inference.families.pixels import as_picture, as_tensor, padded
from inference.families.serial import Step
from inference.request import GenerationRequest

_NO_SOURCE = "A pix2pix model paints over a picture; give it one."


class Pix2PixModel:
    """A `SerialModel`: the generator of a pix2pix folder.

    One that draws colour only sees the picture at the size it was trained for, and its colours are
    laid over the luma at the full size, which loses next to nothing: the eye resolves them poorly.
    """

    own_scheduler = ""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._config = generator.config
        self._device = next(generator.parameters()).device

    def prepare(self, request: GenerationRequest) -> None:
        """Raises RequestError without a source, with a scheduler or with a negative prompt."""
        if request.image is None:
            raise RequestError(_NO_SOURCE)
        if request.scheduler is not None:
            raise RequestError("A pix2pix model has no scheduler; do not name one.")
        if request.negative_prompt:
            raise RequestError("A pix2pix model takes no negative prompt; leave it empty.")

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """What was asked for without meaning anything to such a model."""
        notes = []
        if request.prompt:
            notes.append("A pix2pix model knows one thing only and reads no prompt.")
        if request.steps > 1:
            notes.append(f"A pix2pix model paints in one step; {request.steps} did nothing.")
        if request.guidance not in (0, 1):
            notes.append(f"A pix2pix model has no guidance; {request.guidance:g} did nothing.")
        if request.count > 1:
            notes.append("A pix2pix model leaves nothing to chance; the pictures are all the same.")
        return tuple(notes)

    def run(
        self,
        request: GenerationRequest,
        index: int,
        source: Image.Image | None,
        size: tuple[int, int],
        step: Step,
    ) -> Image.Image:
        """The one picture there is for a source. Raises RequestError where there is none."""
        if source is None:
            raise RequestError(_NO_SOURCE)
        made = self.answer(source)
        step(1, 1)
        return made

    @torch.inference_mode()
    def answer(self, source: Image.Image) -> Image.Image:
        """What it makes of a picture, in RGB and of the same size."""
        picture = as_tensor(source).to(self._device)
        made = self._coloured(picture) if self._config.chroma_out else self._repainted(picture)
        return as_picture(made)

    def paint(self, drawing: Image.Image) -> Image.Image:
        """The same at the size that the network likes to see, brought back to the drawing's."""
        height, width = fitted(drawing.size[::-1], self._config.sample_size, self._config.factor)
        small = drawing.resize((width, height), Image.Resampling.LANCZOS)
        return self.answer(small).resize(drawing.size, Image.Resampling.LANCZOS)

    def _coloured(self, picture: Tensor) -> Tensor:
        seen = fitted(tuple(picture.shape[2:]), self._config.sample_size, self._config.factor)
        chroma = self._generator.planes(_resized(picture, seen))
        return with_chroma(luma(picture), _resized(chroma, tuple(picture.shape[2:])))

    def _repainted(self, picture: Tensor) -> Tensor:
        h, w = picture.shape[2:]
        return self._generator(padded(picture, self._config.factor))[..., :h, :w]


def fitted(shape: tuple[int, ...], side: int, factor: int) -> tuple[int, int]:
    """Height and width near those of `shape`, multiples of `factor`, of at most about `side`²."""
    h, w = shape
    shrink = min(1.0, side / (h * w) ** 0.5)
    rows, columns = (max(1, round(n * shrink / factor)) * factor for n in (h, w))
    return rows, columns


def _resized(planes: Tensor, shape: tuple[int, ...]) -> Tensor:
    if tuple(planes.shape[2:]) == shape:
        return planes
    return functional.interpolate(
        planes, size=shape, mode="bilinear", align_corners=False, antialias=True
    )


def load_pix2pix(folder: Path, device: torch.device) -> Pix2PixModel:
    """The model of a pix2pix folder. Raises ModelError that names the file at fault."""
    return Pix2PixModel(load_generator(folder, device))
