"""Any diffusers pipeline that makes a picture from a picture and a prompt, one at a time."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from inference.errors import ModelError, RequestError
from inference.families.pipeline_call import PipelineCall
from inference.families.pipeline_watch import Watch
from inference.families.serial import Step
from inference.request import GenerationRequest

Jpeg = Callable[[Tensor], bytes]
"""A preview of a model's latents, [1, C, h, w]."""


class PipelineModel:
    """A `SerialModel`: whatever it makes for a seed is what the pipeline itself makes for it.

    name: what it is called in sentences.
    from_image: the pipeline that takes a source; None for a model that only paints from text.
    from_text: the one that takes none; None for a model that only paints over pictures.
    channels: of the latents. jpeg: draws previews of them; None where it cannot be done.
    """

    def __init__(
        self,
        *,
        name: str,
        from_image: PipelineCall | None,
        from_text: PipelineCall | None,
        channels: int = 0,
        jpeg: Jpeg | None = None,
    ) -> None:
        self._name = name
        self._from_image = from_image
        self._from_text = from_text
        self._channels = channels
        self._jpeg = jpeg

    @property
    def own_scheduler(self) -> str:
        """The class of the scheduler it comes with, "" where it has none."""
        call = self._from_image or self._from_text
        return "" if call is None else call.own_scheduler

    def prepare(self, request: GenerationRequest) -> None:
        """Raises RequestError for whatever the request asks that this pipeline cannot do."""
        self._call_for(request).prepare(request)

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """What has no meaning for this pipeline though `prepare` let it pass."""
        return self._call_for(request).notes(request)

    def run(
        self,
        request: GenerationRequest,
        index: int,
        source: Image.Image | None,
        size: tuple[int, int],
        step: Step,
    ) -> Image.Image:
        """Picture `index`, by the pipeline itself; see `SerialModel`."""
        call = self._call_for(request)
        watch = Watch(step, partial(self._preview, call.pipe, size))
        call.renew_scheduler(request.scheduler)
        with watch.over(call.pipe):
            output = call.pipe(
                **call.arguments(request, index, source, size), **watch.callbacks(call.takes)
            )
        watch.end()
        images = getattr(output, "images", None)
        if not isinstance(images, list) or not images or not isinstance(images[0], Image.Image):
            raise ModelError(f"{self._name} makes no pictures.")
        return images[0]

    def _call_for(self, request: GenerationRequest) -> PipelineCall:
        """Strength 1 is text-to-image, except for a pipeline that edits."""
        image, text = self._from_image, self._from_text
        if request.image is None:
            if text is None:
                raise RequestError(f"{self._name} paints over a picture; give it one.")
            return text
        if text is not None and request.strength == 1 and not (image is not None and image.edits):
            return text
        if image is None:
            raise RequestError(
                f"{self._name} paints from text alone, so only with strength 1; over a picture "
                "paint Stable Diffusion, SDXL, Stable Diffusion 3, Flux and whatever diffusers "
                "has an image-to-image or edit pipeline for."
            )
        return image

    def _preview(
        self, pipe: Any, size: tuple[int, int], latents: Tensor
    ) -> Callable[[], bytes] | None:
        if self._jpeg is None:
            return None
        if latents.ndim == 3 and hasattr(pipe, "_unpack_latents"):
            latents = pipe._unpack_latents(latents, size[1], size[0], pipe.vae_scale_factor)
        if latents.ndim != 4 or latents.shape[1] != self._channels:
            return None
        return partial(_quietly, self._jpeg, latents[:1])


@torch.inference_mode()
def _quietly(jpeg: Jpeg, latents: Tensor) -> bytes:
    return jpeg(latents)
