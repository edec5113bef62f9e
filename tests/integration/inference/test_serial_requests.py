"""What a pipeline cannot do is refused in a sentence, before anything runs; what it can is told."""

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from inference.engine.factory import load_engine
from inference.engine.serial import SerialEngine
from inference.engine.settings import EngineSettings
from inference.errors import GenerationCancelled, RequestError
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import Progress
from tests import tiny_pipelines
from tests.integration.inference.traffic import pixels, run

Load = Callable[..., SerialEngine]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    root, engines = tmp_path_factory.mktemp("serial"), dict[str, SerialEngine]()

    def build(name: str) -> SerialEngine:
        """With previews at every step."""
        if name not in engines:
            info = describe(getattr(tiny_pipelines, name)(root / name))
            engine = load_engine(info, "cpu", EngineSettings(preview_seconds=0)).inner
            assert isinstance(engine, SerialEngine)
            engines[name] = engine
        return engines[name]

    return build


def ask(source: bytes | None, **changes: Any) -> GenerationRequest:
    values = {"prompt": "make it night", "steps": 2, "strength": 1.0, "image": source}
    return GenerationRequest(**values | {"width": 64, "height": 64} | changes)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        (
            "instruct_pix2pix",
            {"strength": 0.35},
            "StableDiffusionInstructPix2Pix edits as the prompt says and has no strength such as "
            "0.35; leave it out or at 1, or give 0 to get the source back.",
        ),
        ("instruct_pix2pix", {"image": None}, "paints over a picture; give it one."),
        (
            "instruct_pix2pix",
            {"scheduler": "flow-euler"},
            "cannot run with the scheduler “flow-euler”; it can run with ddim, euler, euler-a, ",
        ),
        ("instruct_pix2pix", {"prompt": "a (red:1.3) hat"}, "no weights such as (word:1.2) in the"),
        (
            "instruct_pix2pix",
            {"prompt": "fog " * 60},
            "The prompt is longer than the 77 tokens that StableDiffusionInstructPix2Pix reads.",
        ),
        ("instruct_pix2pix", {"negative_prompt": "fog " * 60}, "The negative prompt is longer"),
        (
            "kontext",
            {"scheduler": "ddim"},
            "FluxKontext cannot run with the scheduler “ddim”; it can run with flow-euler.",
        ),
        (
            "kontext",
            {"negative_prompt": "fog"},
            "FluxKontext takes no negative prompt; leave it empty.",
        ),
        (
            "pixart",
            {"strength": 0.6},
            "PixArtSigma paints from text alone, so only with strength 1; over a picture paint "
            "Stable Diffusion, SDXL, Stable Diffusion 3, Flux and whatever diffusers has an "
            "image-to-image or edit pipeline for.",
        ),
    ],
)
def test_what_it_cannot_do_is_named(
    load: Load, source: bytes, name: str, changes: dict[str, Any], sentence: str
) -> None:
    engine = load(name)
    with pytest.raises(RequestError) as caught:
        engine.submit(0, ask(source, **changes), lambda progress: None)
    assert sentence in str(caught.value)
    assert not engine.has_work


@pytest.mark.parametrize("strength", [0.6, 1.0])
def test_a_pipeline_without_strength_runs_whole_and_says_so(
    load: Load, source: bytes, strength: float
) -> None:
    (result,) = run(load("instruct_pix2pix"), [ask(source, strength=strength, steps=3)])
    assert result.steps_run == 3
    assert result.notes == (
        ()
        if strength == 1
        else ("StableDiffusionInstructPix2Pix has no strength; 0.6 did nothing.",)
    )


def test_a_strength_that_nobody_asked_for_is_no_news(load: Load, source: bytes) -> None:
    (result,) = run(load("instruct_pix2pix"), [ask(source, strength=0.4, graded=False, steps=3)])
    assert (result.steps_run, result.notes) == (3, ())


def test_strength_0_gives_the_source_back(load: Load, source: bytes) -> None:
    (result,) = run(load("instruct_pix2pix"), [ask(source, strength=0.0)])
    assert (pixels(result.images[0].data) == pixels(source)).all()
    assert (result.steps_run, result.notes) == (0, ())


@pytest.mark.parametrize("name", ["instruct_pix2pix", "kontext", "z_image"])
def test_progress_and_previews(load: Load, source: bytes, name: str) -> None:
    engine, seen = load(name), list[Progress]()
    strength = 0.6 if name == "z_image" else 1.0
    engine.submit(0, ask(source, steps=5, strength=strength, width=96), seen.append)
    while engine.has_work:
        engine.step()
    steps = 3 if name == "z_image" else 5
    assert [(progress.step, progress.steps) for progress in seen] == [
        (step, steps) for step in range(1, steps + 1)
    ]
    for progress in seen[:-1]:
        assert progress.preview is not None
        assert Image.open(io.BytesIO(progress.preview)).size == (96, 64)


def test_a_cancelled_job_leaves_the_pipeline_as_it_was(load: Load, source: bytes) -> None:
    engine = load("instruct_pix2pix")
    (before,) = run(engine, [ask(source)])
    engine.submit(1, ask(source, steps=50, scheduler="euler"), lambda progress: None)
    engine.step()
    engine.step()
    engine.cancel(1)
    (outcome,) = engine.step()
    assert isinstance(outcome.result, GenerationCancelled)
    assert not engine.has_work
    assert [thread for thread in threading.enumerate() if thread.name == "stepper"] == []
    (after,) = run(engine, [ask(source)])
    assert after.images == before.images
    assert after.scheduler == before.scheduler


def test_an_error_within_the_pipeline_is_the_jobs_outcome(
    load: Load, source: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load("instruct_pix2pix")
    pipe = engine._model._from_image.pipe  # type: ignore[attr-defined]
    monkeypatch.setattr(pipe.vae, "decode", None)
    engine.submit(0, ask(source), lambda progress: None)
    engine.submit(1, ask(source, strength=0.0), lambda progress: None)
    ended = []
    while engine.has_work:
        ended += engine.step()
    assert isinstance(ended[0].result, TypeError)
    assert not isinstance(ended[1].result, Exception)
    monkeypatch.undo()
    assert len(run(engine, [ask(source)])[0].images) == 1


def test_a_size_that_is_no_multiple_is_padded_with_its_edges_and_cropped(
    load: Load, source: bytes
) -> None:
    (result,) = run(load("z_image"), [ask(source, width=72, height=64, strength=0.6)])
    assert (result.images[0].width, result.images[0].height) == (72, 64)
    assert result.notes == ()
