"""Requests through an engine, and the same through diffusers' own pipelines."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from inference.engine.engine import Engine
from inference.request import GenerationRequest
from inference.result import GenerationResult

ALWAYS = {"saturation": float("inf")}
"""Settings by which every forward pass in strict mode has as many rows as it may."""

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpm++2m-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
}


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def open_png(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def pixels(data: bytes) -> NDArray[np.int16]:
    return np.asarray(open_png(data)).astype(np.int16)


def run(engine: Engine, requests: Iterable[GenerationRequest]) -> list[GenerationResult]:
    """All of them at once, results in the order of the requests."""
    return run_staggered(engine, [(0, request) for request in requests])


def run_staggered(
    engine: Engine, arrivals: list[tuple[int, GenerationRequest]]
) -> list[GenerationResult]:
    """Each request arrives at its tick; results in the order of the requests."""
    results: dict[int, GenerationResult] = {}
    tick = 0
    while len(results) < len(arrivals):
        for job_id, (arrival, request) in enumerate(arrivals):
            if arrival == tick:
                engine.submit(job_id, request, lambda progress: None)
        for outcome in engine.step():
            if isinstance(outcome.result, Exception):
                raise outcome.result
            results[outcome.job_id] = outcome.result
        tick += 1
    assert not engine.has_work
    return [results[job_id] for job_id in range(len(arrivals))]


class Reference:
    """diffusers' image-to-image pipeline, and its text-to-image pipeline for strength 1."""

    def __init__(self, folder: Path) -> None:
        self._from_image = diffusers.AutoPipelineForImage2Image.from_pretrained(folder)
        self._scheduler = self._from_image.scheduler
        xl = hasattr(self._from_image, "text_encoder_2")
        names = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
        self._from_text = getattr(diffusers, names[xl])(**self._from_image.components)
        for pipe in (self._from_image, self._from_text):
            pipe.set_progress_bar_config(disable=True)

    def run(self, request: GenerationRequest, index: int = 0) -> NDArray[np.int16]:
        scheduler = self._scheduler
        if request.scheduler is not None:
            name, changes = SCHEDULERS[request.scheduler]
            scheduler = getattr(diffusers, name).from_config(scheduler.config, **changes)
        assert request.image is not None
        source = open_png(request.image)
        options: dict[str, Any] = {"width": source.width, "height": source.height}
        pipe = self._from_text
        if request.strength < 1:
            pipe, options = self._from_image, {"image": source, "strength": request.strength}
        pipe.scheduler = scheduler
        picture = pipe(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt or None,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator().manual_seed(request.seed_of(index)),
            **options,
        ).images[0]
        return np.asarray(picture).astype(np.int16)
