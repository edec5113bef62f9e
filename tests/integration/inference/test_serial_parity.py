"""A model that runs through its own pipeline: the pipeline's own picture for the seed, exactly."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import Qwen2VLProcessor

from inference.engine.factory import load_engine
from inference.engine.serial import SerialEngine
from inference.errors import RequestError
from inference.families.parts import load_part
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GenerationResult
from tests import tiny_pipelines
from tests.integration.inference.traffic import open_png, pixels, run

Builder = Callable[[Path], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    root = tmp_path_factory.mktemp("serial")

    def build(name: str) -> Path:
        path = root / name
        return path if path.exists() else Path(getattr(tiny_pipelines, name)(path))

    yield build


def load(path: Path) -> SerialEngine:
    engine = load_engine(describe(path), "cpu").inner
    assert isinstance(engine, SerialEngine)
    return engine


def reference(name: str, path: Path, **parts: Any) -> Any:
    pipe = getattr(diffusers, name).from_pretrained(path, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def expected(pipe: Any, request: GenerationRequest, **options: Any) -> NDArray[np.int16]:
    picture = pipe(
        prompt=request.prompt,
        num_inference_steps=request.steps,
        generator=torch.Generator().manual_seed(request.seed),
        **options,
    ).images[0]
    return np.asarray(picture).astype(np.int16)


def made(path: Path, request: GenerationRequest) -> NDArray[np.int16]:
    return pixels(run(load(path), [request])[0].images[0].data)


@pytest.mark.parametrize("scheduler", [None, "euler", "dpm++2m-karras"])
def test_instruct_pix2pix(
    folder: Callable[[str], Path], source: bytes, scheduler: str | None
) -> None:
    path = folder("instruct_pix2pix")
    request = GenerationRequest(
        prompt="make it night",
        negative_prompt="fog",
        steps=4,
        guidance=6.5,
        seed=3,
        scheduler=scheduler,
        image=source,
    )
    pipe = reference("StableDiffusionInstructPix2PixPipeline", path, safety_checker=None)
    if scheduler == "euler":
        pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    elif scheduler is not None:
        pipe.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
            pipe.scheduler.config, use_karras_sigmas=True
        )
    wanted = expected(
        pipe, request, image=open_png(source), guidance_scale=6.5, negative_prompt="fog"
    )
    assert (made(path, request) == wanted).all()
    assert (made(path, request.change(prompt="make it day")) != wanted).any()


def test_a_scheduler_is_asked_for_one_request_only(
    folder: Callable[[str], Path], source: bytes
) -> None:
    request = GenerationRequest(prompt="make it night", steps=3, seed=3, image=source)
    engine = load(folder("instruct_pix2pix"))
    own, other, again = run(engine, [request, request.change(scheduler="ddim"), request])
    assert own.images == again.images != other.images
    assert (own.scheduler, other.scheduler) == ("EulerAncestralDiscreteScheduler", "ddim")


def test_flux_kontext(folder: Callable[[str], Path], source: bytes) -> None:
    path = folder("kontext")
    request = GenerationRequest(
        prompt="make it night", steps=2, guidance=3.5, strength=1, seed=4, width=96, height=64,
        image=source,
    )  # fmt: skip
    pipe = reference("FluxKontextPipeline", path)
    wanted = expected(
        pipe, request, image=open_png(source).resize((96, 64), 1), guidance_scale=3.5,
        width=96, height=64, max_area=96 * 64,
    )  # fmt: skip
    assert (made(path, request) == wanted).all()


def test_qwen_image_edit(folder: Callable[[str], Path], source: bytes) -> None:
    path = folder("qwen_edit")
    request = GenerationRequest(  # one step: the pipeline looks at the source as if it were 1024²
        prompt="make it night", steps=1, guidance=4, seed=4, width=64, height=64, image=source
    )
    processor = load_part(Qwen2VLProcessor, path / "processor")
    pipe = reference("QwenImageEditPipeline", path, processor=processor)
    wanted = expected(
        pipe, request, image=open_png(source), true_cfg_scale=4.0, negative_prompt=" ",
        width=64, height=64,
    )  # fmt: skip
    assert (made(path, request) == wanted).all()


@pytest.mark.parametrize(("strength", "guidance"), [(0.3, 5.0), (0.6, 1.0), (0.8, 5.0)])
def test_z_image_from_a_picture(
    folder: Callable[[str], Path], source: bytes, strength: float, guidance: float
) -> None:
    path = folder("z_image")
    request = GenerationRequest(
        prompt="night", steps=4, strength=strength, guidance=guidance, seed=5, width=64, height=64,
        image=source,
    )  # fmt: skip
    wanted = expected(
        reference("ZImageImg2ImgPipeline", path), request, image=open_png(source),
        strength=strength, guidance_scale=guidance if guidance > 1 else 0.0,
    )  # fmt: skip
    assert (made(path, request) == wanted).all()


def test_strength_1_is_text_to_image(folder: Callable[[str], Path], source: bytes) -> None:
    path = folder("z_image")
    request = GenerationRequest(
        prompt="night", steps=3, strength=1, seed=5, width=64, height=64, image=source
    )
    wanted = expected(
        reference("ZImagePipeline", path), request, guidance_scale=5.0, width=64, height=64
    )
    assert (made(path, request) == wanted).all()
    assert (made(path, request.change(image=None)) == wanted).all()


def test_a_model_without_an_image_pipeline_paints_from_text(
    folder: Callable[[str], Path], source: bytes
) -> None:
    path = folder("pixart")
    request = GenerationRequest(
        prompt="night", steps=2, strength=1, seed=5, width=64, height=64, image=source
    )
    wanted = expected(
        reference("PixArtSigmaPipeline", path), request, guidance_scale=5.0, width=64, height=64,
        clean_caption=False,
    )  # fmt: skip
    assert (made(path, request) == wanted).all()


# The outer pipeline hands its inner ones an argument that they call outdated.
@pytest.mark.filterwarnings("ignore:`callback_steps` is deprecated:FutureWarning")
def test_a_row_of_two_pipelines_tells_the_steps_of_both(
    folder: Callable[[str], Path], source: bytes
) -> None:
    path = folder("kandinsky")
    request = GenerationRequest(prompt="night", steps=4, strength=0.5, seed=5, image=source)
    wanted = expected(
        reference("KandinskyV22Img2ImgCombinedPipeline", path), request, image=open_png(source),
        strength=0.5, guidance_scale=5.0, width=64, height=64,
    )  # fmt: skip
    engine, seen = load(path), list[tuple[int, int]]()
    engine.submit(0, request, lambda progress: seen.append((progress.step, progress.steps)))
    (outcome,) = [outcome for _ in range(28) for outcome in engine.step()]
    assert isinstance(outcome.result, GenerationResult)
    assert (pixels(outcome.result.images[0].data) == wanted).all()
    prior = [(step, 25) for step in range(1, 26)]
    assert seen == [*prior, (26, 27), (27, 27)]
    with pytest.raises(RequestError, match="only runs with its own"):
        engine.submit(1, request.change(scheduler="ddim"), lambda progress: None)


@pytest.mark.parametrize("name", ["z_image", "instruct_pix2pix"])
def test_every_strength_above_0_runs_a_step(
    folder: Callable[[str], Path], source: bytes, name: str
) -> None:
    request = GenerationRequest(prompt="night", steps=1, seed=5, width=64, height=64, image=source)
    (result,) = run(load(folder(name)), [request])
    assert result.steps_run == 1


def test_each_picture_of_a_request_is_that_of_its_own_seed(
    folder: Callable[[str], Path], source: bytes
) -> None:
    path = folder("instruct_pix2pix")
    request = GenerationRequest(prompt="night", steps=2, count=3, seed=2**32 - 2, image=source)
    images = run(load(path), [request])[0].images
    assert [image.seed for image in images] == [2**32 - 2, 2**32 - 1, 0]
    for image in images:
        alone = request.change(count=1, seed=image.seed)
        assert (pixels(image.data) == made(path, alone)).all()
