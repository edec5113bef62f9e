"""The task edit: what diffusers' own pipeline makes of both guidances, and who cannot do it."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from inference.engine.factory import load_engine
from inference.errors import RequestError
from inference.families.pipeline_kinds import call_of
from inference.model_info import FOLLOWING, describe
from inference.options import Edit, Loopback, Upscale
from inference.request import TASK_STRENGTHS, GenerationRequest
from inference.result import GenerationResult
from tests import tiny, tiny_pipelines
from tests.integration.inference.traffic import open_png, pixels, run


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.instruct_pix2pix(tmp_path_factory.mktemp("editor"))


def asked(source: bytes, **values: Any) -> GenerationRequest:
    given = {"steps": 4, "guidance": 6.5, "seed": 3, "strength": TASK_STRENGTHS["edit"]} | values
    return GenerationRequest(prompt="make it night", task="edit", image=source, **given)


def made(path: Path, request: GenerationRequest) -> GenerationResult:
    engine = load_engine(describe(path), "cpu")
    engine.submit(0, request, lambda _progress: None)
    while True:
        for outcome in engine.step():
            assert isinstance(outcome.result, GenerationResult), outcome.result
            return outcome.result


@pytest.mark.parametrize("image_guidance", [1.0, 1.5, 2.5])
def test_both_guidances_are_the_pipelines_own(
    editor: Path, source: bytes, image_guidance: float
) -> None:
    pipe = diffusers.StableDiffusionInstructPix2PixPipeline.from_pretrained(
        editor, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    wanted = pipe(
        prompt="make it night",
        image=open_png(source),
        num_inference_steps=4,
        guidance_scale=6.5,
        image_guidance_scale=image_guidance,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    result = made(editor, asked(source, options=Edit(image_guidance=image_guidance)))
    assert (pixels(result.images[0].data) == np.asarray(wanted).astype(np.int16)).all()
    assert (result.steps_run, result.notes) == (4, ())


def test_what_a_request_says_when_it_names_no_strength_does(editor: Path, source: bytes) -> None:
    unnamed = made(editor, asked(source, strength=0.6))
    assert unnamed.images == made(editor, asked(source)).images
    assert unnamed.notes == ()
    assert unnamed.images != made(editor, asked(source, options=Edit(image_guidance=3))).images


def test_a_pipeline_without_image_guidance_says_so(tmp_path: Path, source: bytes) -> None:
    path = tiny_pipelines.kontext(tmp_path / "kontext")
    request = asked(source, steps=1, width=64, height=64)
    assert made(path, request).notes == ()
    (note,) = made(path, request.change(options=Edit(image_guidance=2))).notes
    assert note == "FluxKontext has no image guidance; 2 did nothing."


@pytest.mark.parametrize("kind", [tiny.sd, tiny_pipelines.z_image])
def test_a_model_that_follows_no_instructions_is_refused(
    tmp_path: Path, source: bytes, kind: Any
) -> None:
    info = describe(kind(tmp_path / "painter"))
    assert not info.follows_instructions
    with pytest.raises(RequestError, match="does not follow instructions; that takes one such as"):
        load_engine(info, "cpu").submit(0, asked(source), lambda _progress: None)


def test_a_pipeline_makes_no_variations(editor: Path, source: bytes) -> None:
    request = asked(source).change(task="variations", options=None)
    with pytest.raises(RequestError, match="draws its noise itself, so there are no variations"):
        load_engine(describe(editor), "cpu").submit(0, request, lambda _progress: None)


def test_a_loop_of_edits_has_no_falling_strength_to_tell_of(editor: Path, source: bytes) -> None:
    request = asked(source).change(task="loopback", options=Loopback(times=2), graded=False)
    result = made(editor, request)
    assert result.notes == ()
    assert result.images != made(editor, asked(source)).images


def test_a_creativity_means_something_also_to_a_model_without_strength(
    editor: Path, source: bytes
) -> None:
    request = asked(source).change(task="upscale", options=Upscale(creativity=0.5), graded=False)
    with pytest.raises(RequestError, match=r"no strength such as 0\.3"):
        run(load_engine(describe(editor), "cpu"), [request])


@pytest.mark.parametrize("name", sorted(FOLLOWING))
def test_those_that_follow_see_the_whole_source(name: str) -> None:
    call = call_of(getattr(diffusers, name))
    assert "image" in call
    assert "strength" not in call
