"""With a ControlNet too, the engine's picture for a seed is diffusers' own, within 1/255."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families.base import Line
from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.tasks.control_picture import control_picture
from inference.tasks.sketch import clean_drawing
from tests import tiny_control
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import (
    ALWAYS,
    Reference,
    open_png,
    pixels,
    png,
    run,
    run_staggered,
)
from tests.small_device import SmallDevice

PIPELINES = {
    "sd": ("StableDiffusionControlNetImg2ImgPipeline", "StableDiffusionControlNetPipeline"),
    "sdxl": ("StableDiffusionXLControlNetImg2ImgPipeline", "StableDiffusionXLControlNetPipeline"),
}
SCALE = 0.8


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def steered(
    request: pytest.FixtureRequest,
    models: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A model with a ControlNet beside its UNet."""
    folder = tmp_path_factory.mktemp("steered") / request.param
    shutil.copytree(models[request.param], folder)
    tiny_control.control(folder / "controlnet", folder, control_scale=SCALE)
    return folder


@pytest.fixture(scope="module")
def driven(steered: Path) -> UNetModel:
    model = load_model(steered, torch.device("cpu"), torch.float32)
    assert isinstance(model, UNetModel)
    return model


@pytest.fixture(scope="module")
def drawing() -> bytes:
    picture = Image.new("RGB", (64, 64), (236, 228, 210))
    pen = ImageDraw.Draw(picture)
    pen.line([(10, 54), (10, 30), (30, 12), (50, 30), (50, 54), (10, 54)], (50, 50, 60), 3)
    return png(picture)


def engine_for(driven: UNetModel, steered: Path, **settings: Any) -> Engine:
    return Engine(driven, describe(steered), EngineSettings(**settings))


def sketch(drawing: bytes, **changes: Any) -> GenerationRequest:
    request = GenerationRequest(
        prompt="a house", task="sketch", strength=0.8, steps=4, scheduler="ddim", image=drawing
    )
    return request.change(**changes)


class ControlReference:
    """diffusers' pipelines with the same ControlNet."""

    def __init__(self, steered: Path, kind: str) -> None:
        plain = Reference(steered)
        network = diffusers.ControlNetModel.from_pretrained(steered / "controlnet")
        parts = plain._from_image.components | {"controlnet": network}
        parts["scheduler"] = diffusers.DDIMScheduler.from_config(
            parts["scheduler"].config, clip_sample=False
        )
        over, text = (getattr(diffusers, name) for name in PIPELINES[kind])
        parts |= {} if kind == "sd" else {"feature_extractor": None, "image_encoder": None}
        self._over, self._text = over(**parts), text(**parts)
        for pipe in (self._over, self._text):
            pipe.set_progress_bar_config(disable=True)

    def run(self, request: GenerationRequest, kind: str = "scribble") -> NDArray[np.int16]:
        assert request.image is not None
        clean = clean_drawing(open_png(request.image))
        seen = control_picture(clean, kind)
        pipe, options = self._text, {"image": seen}
        if request.strength < 1:
            pipe = self._over
            options = {"image": clean, "control_image": seen, "strength": request.strength}
        picture = pipe(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt or None,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            controlnet_conditioning_scale=SCALE,
            generator=torch.Generator().manual_seed(request.seed),
            **options,
        ).images[0]
        return np.asarray(picture).astype(np.int16)


def table(drawing: bytes) -> list[GenerationRequest]:
    cells = ((0.8, 5.0), (0.8, 1.0), (0.5, 5.0), (1, 5.0))
    return [
        sketch(drawing, strength=strength, guidance=guidance, seed=seed, negative_prompt="fog")
        for seed, (strength, guidance) in enumerate(cells)
    ]


def test_alone_and_in_staggered_traffic_with_plain_requests(
    driven: UNetModel, steered: Path, drawing: bytes, source: bytes
) -> None:
    reference = ControlReference(steered, steered.name)
    requests = table(drawing)
    expected = [reference.run(request) for request in requests]
    engine = engine_for(driven, steered)
    for request, picture in zip(requests, expected, strict=True):
        found = pixels(run(engine, [request])[0].images[0].data)
        assert np.abs(found - picture).max() <= 1, (request.strength, request.guidance)
        assert found.shape == picture.shape
    plain = [request.change(task="img2img", image=source) for request in requests]
    without = Reference(steered)
    expected += [without.run(request) for request in plain]
    arrivals = random.Random(3)
    staggered = [(arrivals.randrange(8), request) for request in (*requests, *plain)]
    engine = engine_for(driven, steered, strict=False, rows=8, slots=6, together=3)
    for result, picture in zip(run_staggered(engine, staggered), expected, strict=True):
        assert np.abs(pixels(result.images[0].data) - picture).max() <= 1


def test_in_strict_mode_no_byte_depends_on_the_traffic(
    driven: UNetModel, steered: Path, drawing: bytes, source: bytes, load: LoadEngine
) -> None:
    requests = table(drawing)
    plain = [request.change(task="img2img", image=source) for request in requests]
    alone = [
        run(engine_for(driven, steered, rows=4, **ALWAYS), [one])[0] for one in (*requests, *plain)
    ]
    for request, result in zip(plain, alone[len(requests) :], strict=True):
        untouched = run(load(steered.name, rows=4, **ALWAYS), [request])[0]
        assert result.images == untouched.images  # as if there never was a ControlNet
    arrivals = random.Random(5)
    for wide in (0, 8, 8):
        staggered = [(arrivals.randrange(6), request) for request in (*requests, *plain)]
        arrivals.shuffle(staggered)
        engine = engine_for(driven, steered, rows=4, slots=5, wide=wide, **ALWAYS)
        found = {
            (request.seed, request.task): result.images
            for (_, request), result in zip(
                staggered, run_staggered(engine, staggered), strict=True
            )
        }
        for request, result in zip((*requests, *plain), alone, strict=True):
            assert found[request.seed, request.task] == result.images


def test_rows_with_and_without_one_are_never_in_one_pass(
    driven: UNetModel, steered: Path, drawing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[tuple[bool, int]] = []
    predict = type(driven).predict

    def watched(self: Any, lines: Sequence[Line]) -> Tensor:
        (steered,) = {row.control is not None for _, _, row in lines}
        passes.append((steered, len(lines)))
        return predict(self, lines)

    monkeypatch.setattr(type(driven), "predict", watched)
    tasks = ("sketch", "img2img", "sketch", "colorize")
    engine = engine_for(driven, steered, strict=False, rows=8, slots=8)
    run(engine, [sketch(drawing, task=task, seed=1) for task in tasks])
    assert {kind for kind, _ in passes} == {True, False}
    assert max(rows for kind, rows in passes if kind) == 4


def test_the_drawing_steers_and_a_padded_one_too(
    driven: UNetModel, steered: Path, drawing: bytes, load: LoadEngine
) -> None:
    request = sketch(drawing)
    with_it = pixels(run(engine_for(driven, steered), [request])[0].images[0].data)
    without = pixels(run(load(steered.name), [request])[0].images[0].data)
    assert np.abs(with_it - without).max() > 8
    narrow = sketch(png(open_png(drawing).resize((46, 88))))
    image = run(engine_for(driven, steered), [narrow])[0].images[0]
    assert (image.width, image.height) == (46, 88)


def test_an_edge_is_what_one_trained_on_edges_sees(
    steered: Path, drawing: bytes, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(steered, tmp_path / steered.name))
    (folder / "controlnet").rename(tmp_path / "edges")
    text = '{"controlnet": "../edges", "control_picture": "canny", "control_scale": 0.8}'
    (folder / "palimpsest.json").write_text(text)
    driven = load_model(folder, torch.device("cpu"), torch.float32)
    assert isinstance(driven, UNetModel)
    found = pixels(run(engine_for(driven, folder), [sketch(drawing)])[0].images[0].data)
    reference = ControlReference(steered, steered.name)
    assert np.abs(found - reference.run(sketch(drawing), "canny")).max() <= 1
    assert np.abs(found - reference.run(sketch(drawing))).max() > 8  # not what scribbles give


def test_a_drawing_that_does_not_fit_is_told_the_largest_size(
    driven: UNetModel, steered: Path, drawing: bytes
) -> None:
    device = SmallDevice()
    device.denoise = 20 * 16
    with device.holding(driven) as held:
        engine = Engine(held, describe(steered), EngineSettings(), memory=device)
        engine.submit(1, sketch(drawing, width=256, height=192), lambda progress: None)
        ended = []
        while engine.has_work:
            ended += engine.step()
    assert str(ended[0].result).endswith("the largest of this shape that does is 160×120.")
