"""Runs programs with a stand-in for the model: any function of a request's picture and mask."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult
from inference.tasks.files import finished, opened
from inference.tasks.programs import Product, Program, Round

INFO = ModelInfo(id="m", title="M", location="/m", pixel_budget=128 * 128)

Painter = Callable[[Image.Image, Image.Image, int], Image.Image]
"""What it is given: what is painted over, the mask, and the seed."""


def in_colour(under: Image.Image, mask: Image.Image, seed: int) -> Image.Image:
    """Paints one colour for each seed; and spoils a little what it was to keep, as models do."""
    kept = np.asarray(under).astype(np.int16) + 3
    spoilt = Image.fromarray(kept.clip(0, 255).astype(np.uint8))
    spoilt.paste((10 * seed, 200, 40), mask=mask)
    return spoilt


def drive(program: Program, paint: Painter = in_colour) -> tuple[Product, list[GenerationRequest]]:
    """The program's end, and all that it asked for."""
    asked: list[GenerationRequest] = []
    try:
        todo = next(program)
        while True:
            asked += todo.requests
            todo = program.send([_result(request, paint) for request in todo.requests])
    except StopIteration as end:
        assert isinstance(end.value, Product)
        return end.value, asked


def rounds(program: Program) -> list[Round]:
    """Each that it asks for."""
    found: list[Round] = []
    try:
        found.append(next(program))
        while True:
            results = [_result(request, in_colour) for request in found[-1].requests]
            found.append(program.send(results))
    except StopIteration:
        return found


def _result(request: GenerationRequest, paint: Painter) -> GenerationResult:
    return GenerationResult(
        images=tuple(_image(request.single(index), paint) for index in range(request.count)),
        model="m",
        revision="",
        scheduler="",
        steps_run=request.steps_run,
        seconds=0.0,
        batch_shape="",
        versions={},
    )


def _image(request: GenerationRequest, paint: Painter) -> GeneratedImage:
    assert request.image is not None and request.mask is not None
    under, mask = opened(request.image), opened(request.mask)
    assert under.mode == "RGB" and mask.mode == "L"
    assert under.size == mask.size == (request.width, request.height)
    return finished(paint(under, mask, request.seed), request.seed)
