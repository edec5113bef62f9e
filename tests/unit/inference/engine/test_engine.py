"""Admission, batches, progress and cancelling, with a tiny model."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from inference.engine.engine import Engine
from inference.engine.job import Outcome
from inference.engine.settings import EngineSettings
from inference.errors import GenerationCancelled, PictureError, RequestError
from inference.families.model import UNetModel
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(model: UNetModel, info: ModelInfo, clock: Clock) -> Engine:
    settings = EngineSettings(strict=False, rows=8, slots=3)
    return Engine(model, info, settings, revision="r1", versions={"torch": "2"}, clock=clock)


def ask(**changes: object) -> GenerationRequest:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(buffer, "PNG")
    request = GenerationRequest(prompt="a barn", steps=4, strength=0.5, image=buffer.getvalue())
    return request.change(**changes)


def ignore(progress: Progress) -> None:
    pass


def finish(engine: Engine) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while engine.has_work:
        outcomes += engine.step()
    return outcomes


def test_nothing_to_do(engine: Engine) -> None:
    assert not engine.has_work
    assert engine.step() == []


def test_a_result_says_how_it_was_made(engine: Engine, info: ModelInfo, clock: Clock) -> None:
    engine.submit(5, ask(count=2, scheduler="euler"), ignore)
    clock.now += 3
    engine.step()
    clock.now += 4
    (outcome,) = finish(engine)
    result = outcome.result
    assert isinstance(result, GenerationResult)
    assert (outcome.submitted, outcome.started, outcome.finished) == (100, 103, 107)
    assert (result.model, result.revision, result.scheduler) == (info.id, "r1", "euler")
    assert (result.steps_run, result.seconds, result.versions) == (2, 4, {"torch": "2"})


def test_jobs_of_any_settings_share_forward_passes(engine: Engine) -> None:
    for job_id, (steps, guidance) in enumerate(((4, 5.0), (8, 1.0), (12, 3.0))):
        engine.submit(job_id, ask(steps=steps, guidance=guidance), ignore)
    assert [outcome.job_id for outcome in finish(engine)] == [0, 1, 2]
    assert engine.calls == 6  # the longest alone, not 2 + 4 + 6


def test_other_shapes_run_beside_each_other(engine: Engine) -> None:
    engine.submit(0, ask(), ignore)
    engine.submit(1, ask(width=64, height=96), ignore)
    finish(engine)
    assert engine.calls == 4


def test_pictures_wait_for_a_free_slot_in_the_order_they_came(engine: Engine) -> None:
    seen: list[int] = []
    engine.submit(0, ask(count=4), lambda progress: seen.append(0))
    engine.submit(1, ask(), lambda progress: seen.append(1))
    # Both end by the same pass, and which file is written first nobody knows.
    assert {outcome.job_id for outcome in finish(engine)} == {0, 1}
    assert engine.calls == 4
    assert seen[0] == 0
    assert seen.index(1) >= 2


def test_progress_counts_the_steps_of_all_pictures(engine: Engine) -> None:
    seen: list[tuple[int, int]] = []
    engine.submit(0, ask(count=4), lambda p: seen.append((p.step, p.steps)))
    finish(engine)
    assert seen == [(3, 8), (6, 8), (7, 8), (8, 8)]


def test_previews_are_rare_and_small(model: UNetModel, info: ModelInfo, clock: Clock) -> None:
    engine = Engine(model, info, EngineSettings(preview_seconds=1.0), clock=clock)
    previews: list[bytes] = []

    def keep(progress: Progress) -> None:
        if progress.preview is not None:
            previews.append(progress.preview)

    engine.submit(0, ask(steps=20, strength=1, width=72, height=64), keep)
    while engine.has_work:
        clock.now += 0.26
        engine.step()
    assert len(previews) == 5
    picture = Image.open(io.BytesIO(previews[0]))
    assert (picture.format, picture.size) == ("JPEG", (72, 64))


def test_cancelling(engine: Engine) -> None:
    for job_id in range(5):
        engine.submit(job_id, ask(steps=20), ignore)
    engine.step()
    for job_id in (0, 4, 77):  # running, waiting, unknown
        engine.cancel(job_id)
    before = engine.calls
    outcomes = engine.step()
    assert {outcome.job_id for outcome in outcomes} == {0, 4}
    assert all(isinstance(outcome.result, GenerationCancelled) for outcome in outcomes)
    assert engine.calls == before + 1
    assert {outcome.job_id for outcome in finish(engine)} == {1, 2, 3}


def test_cancelling_while_a_step_runs(engine: Engine) -> None:
    engine.submit(0, ask(steps=20), lambda progress: engine.cancel(0))
    engine.step()
    (outcome,) = engine.step()
    assert isinstance(outcome.result, GenerationCancelled)
    assert not engine.has_work


def test_an_id_can_be_used_again(engine: Engine) -> None:
    engine.cancel(0)
    engine.submit(0, ask(), ignore)
    with pytest.raises(ValueError, match="in flight"):
        engine.submit(0, ask(), ignore)
    (outcome,) = finish(engine)
    assert isinstance(outcome.result, GenerationResult)


def test_what_is_wrong_with_one_request_strikes_no_other(engine: Engine) -> None:
    with pytest.raises(RequestError, match="heun"):
        engine.submit(0, ask(scheduler="heun"), ignore)
    engine.submit(1, ask(image=b"no picture"), ignore)
    engine.submit(2, ask(scheduler="lcm", steps=60), ignore)
    engine.submit(3, ask(), ignore)
    results = {outcome.job_id: outcome.result for outcome in finish(engine)}
    assert isinstance(results[1], PictureError)
    assert isinstance(results[2], RequestError)
    assert isinstance(results[3], GenerationResult)


def test_a_scheduler_that_fails_in_a_step_strikes_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise IndexError("index 11 is out of bounds")

    monkeypatch.setattr("diffusers.UniPCMultistepScheduler.step", fail)
    for job_id, scheduler in enumerate(("ddim", "unipc", "ddim")):
        engine.submit(job_id, ask(scheduler=scheduler), ignore)
    results = {outcome.job_id: outcome.result for outcome in finish(engine)}
    assert isinstance(results[0], GenerationResult)
    assert isinstance(results[1], IndexError)
    assert isinstance(results[2], GenerationResult)


@pytest.mark.parametrize(
    "place",
    [
        "inference.engine.engine.Img2Img.prepare",
        "inference.families.model.UNetModel.rows",
        "inference.families.model.UNetModel.enter",
        "inference.engine.files.Files.source",
        "diffusers.DDIMScheduler.step",
    ],
)
def test_a_lost_device_is_no_request_s_fault_wherever_it_is_noticed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(place, fail)
    engine.submit(0, ask(scheduler="ddim"), ignore)
    with pytest.raises(RuntimeError, match="CUDA error"):
        finish(engine)


def test_the_catalogues_scheduler_comes_before_the_models_own(
    model: UNetModel, info: ModelInfo
) -> None:
    engine = Engine(model, replace(info, default_scheduler="unipc"), EngineSettings())
    engine.submit(0, ask(), ignore)
    engine.submit(1, ask(scheduler="ddim"), ignore)
    names = {o.job_id: o.result.scheduler for o in finish(engine)}  # type: ignore[union-attr]
    assert names == {0: "unipc", 1: "ddim"}
