"""The same requests through diffusers' own pipelines for flow-matching transformers."""

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

from inference.request import GenerationRequest
from tests.integration.inference.traffic import open_png


class FlowReference:
    """diffusers' image-to-image pipeline, and its text-to-image pipeline for strength 1."""

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        absent = {name: None for name, part in index.items() if part == [None, None]}
        self._from_image = diffusers.AutoPipelineForImage2Image.from_pretrained(folder, **absent)
        self._from_text = diffusers.AutoPipelineForText2Image.from_pipe(self._from_image)
        self._guided = index["_class_name"] == "StableDiffusion3Pipeline"
        for pipe in (self._from_image, self._from_text):
            pipe.set_progress_bar_config(disable=True)

    @property
    def pipe(self) -> Any:
        """The one for images; both have the same parts."""
        return self._from_image

    def run_with_loras(self, request: GenerationRequest) -> NDArray[np.int16]:
        """Those that the request names, which must be loaded, and no others."""
        if not request.loras:
            self.pipe.disable_lora()
            return self.run(request)
        self.pipe.enable_lora()
        names = [lora.name for lora in request.loras]
        self.pipe.set_adapters(names, [lora.weight for lora in request.loras])
        return self.run(request)

    def run(self, request: GenerationRequest) -> NDArray[np.int16]:
        """The picture of a request with a width and a height."""
        pipe = self._from_text
        options: dict[str, Any] = {"width": request.width, "height": request.height}
        if request.strength < 1:
            assert request.image is not None
            pipe = self._from_image
            options |= {"image": open_png(request.image), "strength": request.strength}
        if self._guided:
            options["negative_prompt"] = request.negative_prompt
        picture = pipe(
            prompt=request.prompt,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator().manual_seed(request.seed),
            **options,
        ).images[0]
        return np.asarray(picture).astype(np.int16)
