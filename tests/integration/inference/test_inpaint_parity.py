"""Painting within a mask is what diffusers' inpainting pipelines do, within 1/255."""

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.errors import PictureError, RequestError
from inference.families.load import load_model
from inference.model_info import describe
from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.test_parity import assert_close
from tests.integration.inference.traffic import (
    SCHEDULERS,
    open_png,
    pixels,
    png,
    run,
    run_staggered,
)
from tests.small_device import SmallDevice

Expect = Callable[[str, GenerationRequest], NDArray[np.int16]]


def mask_of(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (64, 64)) -> bytes:
    """A mask whose edges cut through latents."""
    mask = Image.new("L", size)
    for box in boxes:
        ImageDraw.Draw(mask).ellipse(box, fill=255)
    return png(mask)


MASK = mask_of((9, 13, 43, 50))
WHOLE = png(Image.new("L", (64, 64), 255))


_PIPELINES = {
    "StableDiffusion3Pipeline": "StableDiffusion3InpaintPipeline",
    "StableDiffusionXLPipeline": "StableDiffusionXLInpaintPipeline",
    "StableDiffusionPipeline": "StableDiffusionInpaintPipeline",
    "FluxPipeline": "FluxInpaintPipeline",
}


class Reference:
    """diffusers' inpainting pipeline of a model."""

    def __init__(self, folder: Path) -> None:
        own = describe(folder).family
        kind = getattr(diffusers, _PIPELINES.get(own, own))
        self._pipe: Any = kind.from_pretrained(folder)
        self._pipe.set_progress_bar_config(disable=True)
        self._scheduler = self._pipe.scheduler

    def run(self, request: GenerationRequest) -> NDArray[np.int16]:
        self._pipe.scheduler = self._scheduler
        if request.scheduler is not None:
            name, changes = SCHEDULERS[request.scheduler]
            kind = getattr(diffusers, name)
            self._pipe.scheduler = kind.from_config(self._scheduler.config, **changes)
        assert request.image is not None
        source = open_png(request.image)
        options: dict[str, Any] = {"negative_prompt": request.negative_prompt or None}
        if "Flux" in type(self._pipe).__name__:
            options = {}  # its own would be another kind of guidance
        if "Diffusion3" in type(self._pipe).__name__:
            options["output_type"] = "latent"
        picture = self._pipe(
            prompt=request.prompt,
            **options,
            image=source,
            mask_image=Image.open(io.BytesIO(request.mask or WHOLE)),
            strength=request.strength,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator().manual_seed(request.seed),
            width=source.width,
            height=source.height,
        ).images[0]
        if isinstance(picture, torch.Tensor):
            picture = self._decoded(picture)
        return np.asarray(picture).astype(np.int16)

    @torch.no_grad()
    def _decoded(self, latents: torch.Tensor) -> Image.Image:
        """For SD3, whose inpainting pipeline in diffusers 0.42 forgets the shift."""
        vae = self._pipe.vae
        image = vae.decode(latents[None] / vae.config.scaling_factor + vae.config.shift_factor)[0]
        picture: Image.Image = self._pipe.image_processor.postprocess(image)[0]
        return picture


@pytest.fixture(scope="module")
def expect(models: dict[str, Path]) -> Expect:
    """What diffusers makes of a request, worked out once."""
    references: dict[str, Reference] = {}
    known: dict[tuple[str, GenerationRequest], NDArray[np.int16]] = {}

    def picture(model: str, request: GenerationRequest) -> NDArray[np.int16]:
        if model not in references:
            references[model] = Reference(models[model])
        if (model, request) not in known:
            known[model, request] = references[model].run(request)
        return known[model, request]

    return picture


# What a model without a mask is compared with: diffusers' pipeline with all of it white.
TABLE: dict[str, tuple[tuple[bytes | None, ...], tuple[str | None, ...]]] = {
    "sd": ((MASK,), (None, "euler", "euler-a", "dpm++2m-karras")),
    "sdxl": ((MASK,), (None, "ddim")),
    "inpaint": ((MASK, None), (None, "euler-a")),
    "inpaint-xl": ((MASK,), (None,)),
    "sd3-16": ((MASK,), (None,)),
    "flux": ((MASK,), (None,)),
}


def table(model: str, source: bytes) -> Iterator[GenerationRequest]:
    masks, schedulers = TABLE[model]
    for number, scheduler in enumerate(schedulers):
        for strength, guidance in ((0.5, 1.0), (0.5, 5.0), (1, 5.0)):
            for mask in masks:
                yield GenerationRequest(
                    prompt="a red house by the sea",
                    negative_prompt="" if number % 2 else "fog",
                    strength=strength,
                    steps=4,
                    guidance=guidance,
                    seed=number,
                    scheduler=scheduler,
                    width=64,
                    height=64,
                    image=source,
                    mask=mask,
                )


@pytest.mark.parametrize("model", TABLE)
@pytest.mark.parametrize("strict", [True, False])
def test_the_table_alone_and_in_staggered_traffic(
    load: LoadEngine, expect: Expect, source: bytes, model: str, strict: bool
) -> None:
    requests = list(table(model, source))
    engine = load(model, strict=strict, rows=2 if strict else 8, slots=6, together=3)
    if strict:
        for request in requests:
            assert_close(run(engine, [request])[0].images[0].data, expect(model, request), request)
    arrivals = random.Random(1)
    plain = [request.change(mask=None, strength=0.6) for request in requests[::3]]
    staggered = [(arrivals.randrange(30), request) for request in requests + plain]
    results = run_staggered(engine, staggered)
    for request, result in zip(requests, results[: len(requests)], strict=True):
        assert_close(result.images[0].data, expect(model, request), request)


def test_a_mask_keeps_its_size_where_the_picture_is_padded(
    load: LoadEngine, expect: Expect, source: bytes
) -> None:
    narrow = open_png(source).resize((46, 88))
    mask = Image.open(io.BytesIO(mask_of((9, 13, 60, 99), size=(46, 88))))
    request = GenerationRequest(prompt="fog", steps=4, image=png(narrow), mask=png(mask), seed=3)
    image = run(load("sd"), [request])[0].images[0]
    wide = {"image": narrow, "mask": mask}
    for name, picture in wide.items():
        extra = ((0, 0), (0, 2), (0, 0))[: np.asarray(picture).ndim]
        wide[name] = Image.fromarray(np.pad(np.asarray(picture), extra, mode="edge"))
    padded = request.change(image=png(wide["image"]), mask=png(wide["mask"]))
    assert_close(image.data, expect("sd", padded)[:, :46], request)


def test_a_masked_row_and_a_plain_one_share_a_forward_pass(load: LoadEngine, source: bytes) -> None:
    for model in ("sd", "inpaint", "flux"):
        engine = load(model, strict=False, rows=8, slots=8)
        plain = GenerationRequest(
            prompt="a fox", steps=6, strength=0.5, image=source, width=64, height=64
        )
        masked = plain.change(mask=MASK, seed=3)
        run(engine, [plain, masked, masked.change(strength=1.0, steps=3)])
        assert engine.calls == 3


@pytest.mark.parametrize("model", ["sd", "inpaint"])
def test_neighbours_change_no_byte_in_strict_mode(
    load: LoadEngine, source: bytes, model: str
) -> None:
    numbers = random.Random(5)
    masks = (None, MASK, mask_of((20, 20, 63, 40)), WHOLE)
    asked = [
        GenerationRequest(
            prompt="a fox", image=source, mask=mask, strength=strength, guidance=guidance,
            steps=3, seed=numbers.randrange(99), count=numbers.choice([1, 2]), scheduler=scheduler,
        )
        for mask in masks
        for strength, guidance, scheduler in ((0.5, 4.0, None), (1, 1.0, "euler-a"))
    ]  # fmt: skip
    settings: dict[str, Any] = {"rows": 4, "saturation": float("inf")}
    alone = [run(load(model, **settings), [request])[0].images for request in asked]
    for _ in range(4):
        chosen = numbers.sample(range(len(asked)), 5)
        engine = load(model, slots=numbers.randint(1, 8), **settings)
        arrivals = [(numbers.randrange(6), asked[index]) for index in chosen]
        for index, result in zip(chosen, run_staggered(engine, arrivals), strict=True):
            assert result.images == alone[index]


def test_masks_of_one_source_are_not_confused(load: LoadEngine, source: bytes) -> None:
    request = GenerationRequest(prompt="a fox", image=source, mask=MASK, strength=1, steps=2)
    other = request.change(mask=mask_of((20, 20, 63, 40)))
    engine = load("inpaint")
    run(engine, [other.change(mask=None)])
    together = [result.images for result in run(engine, [request, other])]
    assert together == [run(load("inpaint"), [each])[0].images for each in (request, other)]
    assert together[0] != together[1]


def test_an_inpainting_model_makes_pictures_from_text(load: LoadEngine, source: bytes) -> None:
    request = GenerationRequest(prompt="a fox", strength=1, steps=2, width=64, height=64)
    (made,) = run(load("inpaint"), [request])
    (over,) = run(load("inpaint"), [request.change(image=source)])
    assert (pixels(made.images[0].data) == pixels(over.images[0].data)).all()


def test_a_mask_of_another_size_is_refused(load: LoadEngine, source: bytes) -> None:
    request = GenerationRequest(
        prompt="a fox", steps=2, image=source, mask=mask_of((0, 0, 9, 9), size=(32, 32))
    )
    with pytest.raises(PictureError, match="The mask has 32×32 pixels, and the result 64×64"):
        run(load("sd"), [request])


def test_what_a_checkpoint_says_of_itself(models: dict[str, Path]) -> None:
    assert describe(models["inpaint"]).architecture == "Stable Diffusion"
    assert describe(models["inpaint-xl"]).architecture == "SDXL"
    cpu = torch.device("cpu")
    for name, sees in (("sd", False), ("inpaint", True), ("flux", False)):
        assert load_model(models[name], cpu, torch.float32).sees_hole is sees


def test_a_preview_shows_the_source_where_it_is_kept(load: LoadEngine, source: bytes) -> None:
    request = GenerationRequest(prompt="a fox", steps=4, strength=1, image=source, mask=MASK)
    engine = load("sd")
    engine.submit(0, request, lambda progress: None)
    engine.step()
    (slot,) = engine._slots
    assert slot.keep is not None and slot.estimate is not None
    kept = (slot.keep.mask == 0).expand_as(slot.latents)
    assert torch.equal(slot.estimate[kept], slot.keep.clean[kept])
    assert not torch.equal(slot.latents[kept], slot.keep.clean[kept])  # as noisy as the rest
    assert not torch.equal(slot.estimate[~kept], slot.keep.clean[~kept])


def test_an_inpainting_model_knows_what_fits(models: dict[str, Path], source: bytes) -> None:
    device, model = SmallDevice(), load_model(models["inpaint"], torch.device("cpu"), torch.float32)
    device.denoise = 20 * 16
    request = GenerationRequest(prompt="a fox", steps=2, image=source, width=256, height=192)
    with device.holding(model) as held:
        settings = EngineSettings(strict=False, rows=4)
        engine = Engine(held, describe(models["inpaint"]), settings, memory=device)
        with pytest.raises(RequestError, match="that does is 160×120"):
            run(engine, [request])
