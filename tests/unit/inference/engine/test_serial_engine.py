"""One request after the other, a step at a time: progress, cancelling, errors."""

import gc
import io
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from PIL import Image

from inference.engine.job import Outcome
from inference.engine.serial import SerialEngine
from inference.engine.settings import EngineSettings
from inference.errors import GenerationCancelled, PictureError, RequestError
from inference.families.serial import Step
from inference.loras import LoraUse
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress

INFO = ModelInfo(id="strokes", title="Strokes", location="/nowhere", pixel_budget=64 * 64)


class Strokes:
    """A model that paints a stroke with each step, in a shade of the seed."""

    own_scheduler = "Brush"

    def __init__(self) -> None:
        self.strokes = 0
        self.threads: set[str] = set()
        self.tidied = 0
        self.kept: list[weakref.ref[Image.Image]] = []
        self.size: tuple[int, int] | None = None
        self.preview = ""

    def prepare(self, request: GenerationRequest) -> None:
        if request.negative_prompt:
            raise RequestError("Strokes takes no negative prompt.")

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        return ("It has no guidance.",) if request.guidance != 1 else ()

    def run(
        self,
        request: GenerationRequest,
        index: int,
        source: Image.Image | None,
        size: tuple[int, int],
        step: Step,
    ) -> Image.Image:
        picture = Image.new("RGB", self.size or size, (request.seed_of(index), 0, 0))
        self.kept.append(weakref.ref(picture))
        self.threads.add(threading.current_thread().name)
        try:
            for done in range(1, request.steps + 1):
                self.strokes += 1
                step(done, request.steps, partial(self._drawn, done))
        finally:
            self.tidied += 1
        if request.prompt == "fail":
            raise ZeroDivisionError
        if request.prompt == "lose the device":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return picture

    def _drawn(self, done: int) -> bytes:
        if self.preview:
            raise RuntimeError(self.preview)
        return b"%d" % done


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def model() -> Strokes:
    return Strokes()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(model: Strokes, clock: Clock) -> SerialEngine:
    settings = EngineSettings(preview_seconds=1.0)
    return SerialEngine(model, INFO, settings, revision="r1", versions={"torch": "2"}, clock=clock)


def ask(**changes: object) -> GenerationRequest:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(buffer, "PNG")
    request = GenerationRequest(prompt="", steps=3, guidance=1, image=buffer.getvalue())
    return request.change(**changes)


def ignore(progress: Progress) -> None:
    pass


def finish(engine: SerialEngine) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while engine.has_work:
        outcomes += engine.step()
    return outcomes


def pixel(outcome: Outcome, index: int = 0) -> tuple[int, ...]:
    assert isinstance(outcome.result, GenerationResult)
    picture = Image.open(io.BytesIO(outcome.result.images[index].data))
    value = picture.getpixel((0, 0))
    assert isinstance(value, tuple)
    return value


def test_one_step_runs_one_step(engine: SerialEngine, model: Strokes) -> None:
    assert (engine.capacity, engine.has_work, engine.step()) == (1, False, [])
    engine.submit(0, ask(), ignore)
    for count in (1, 2, 3):
        assert engine.step() == []
        assert model.strokes == count
    (outcome,) = engine.step()
    assert model.strokes == 3
    assert outcome.job_id == 0
    assert not engine.has_work
    assert model.threads == {"stepper"}


def test_a_result_says_how_it_was_made(engine: SerialEngine, clock: Clock) -> None:
    engine.submit(5, ask(count=2, seed=7, guidance=3), ignore)
    clock.now += 3
    engine.step()
    clock.now += 4
    (outcome,) = finish(engine)
    result = outcome.result
    assert isinstance(result, GenerationResult)
    assert (outcome.submitted, outcome.started, outcome.finished) == (100, 103, 107)
    assert (result.model, result.revision, result.scheduler) == ("strokes", "r1", "Brush")
    assert (result.steps_run, result.seconds, result.batch_shape) == (3, 4, "")
    assert result.versions == {"torch": "2"}
    assert result.notes == ("It has no guidance.",)
    assert [image.seed for image in result.images] == [7, 8]
    assert [pixel(outcome, index)[0] for index in (0, 1)] == [7, 8]


def test_progress_counts_the_steps_of_all_pictures_and_previews_are_rare(
    engine: SerialEngine, clock: Clock
) -> None:
    seen: list[tuple[int, int, bytes | None]] = []
    engine.submit(0, ask(count=2), lambda p: seen.append((p.step, p.steps, p.preview)))
    while engine.has_work:
        engine.step()
        clock.now += 0.6
    assert seen == [
        (1, 6, b"1"), (2, 6, None), (3, 6, b"3"), (4, 6, None), (5, 6, b"2"), (6, 6, None)
    ]  # fmt: skip


def test_without_room_for_a_preview_the_picture_is_painted_all_the_same(
    engine: SerialEngine, model: Strokes
) -> None:
    model.preview = "out of memory"
    seen: list[bytes | None] = []
    engine.submit(0, ask(), lambda progress: seen.append(progress.preview))
    (outcome,) = finish(engine)
    assert isinstance(outcome.result, GenerationResult)
    assert seen == [None] * 3


def test_requests_run_in_the_order_they_came(engine: SerialEngine) -> None:
    order: list[int] = []

    def watch(number: int) -> Callable[[Progress], None]:
        return lambda progress: order.append(number)

    for number in range(3):
        engine.submit(number, ask(), watch(number))
    assert [outcome.job_id for outcome in finish(engine)] == [0, 1, 2]
    assert order == [0] * 3 + [1] * 3 + [2] * 3


def test_strength_0_gives_the_source_and_runs_nothing(engine: SerialEngine, model: Strokes) -> None:
    engine.submit(0, ask(strength=0, count=2, seed=7, negative_prompt="fog", guidance=9), ignore)
    (outcome,) = engine.step()
    assert pixel(outcome) == pixel(outcome, 1) == (0, 128, 128)
    assert isinstance(outcome.result, GenerationResult)
    assert (outcome.result.steps_run, outcome.result.notes) == (0, ())
    first, second = outcome.result.images
    assert (first.seed, second.seed) == (7, 8)
    assert first.data is second.data  # written once: that takes as long as several steps
    assert model.strokes == 0


def test_cancelling(engine: SerialEngine, model: Strokes) -> None:
    for job_id in range(3):
        engine.submit(job_id, ask(steps=20), ignore)
    engine.step()
    for job_id in (0, 2, 77):  # running, waiting, unknown
        engine.cancel(job_id)
    outcomes = engine.step()
    assert {outcome.job_id for outcome in outcomes} == {0, 2}
    assert all(isinstance(outcome.result, GenerationCancelled) for outcome in outcomes)
    assert (model.strokes, model.tidied) == (2, 1)  # one of each job
    assert [outcome.job_id for outcome in finish(engine)] == [1]


def test_cancelling_leaves_nothing_behind(engine: SerialEngine, model: Strokes) -> None:
    engine.submit(0, ask(steps=20), lambda progress: engine.cancel(0))
    engine.step()
    outcomes = engine.step()
    assert isinstance(outcomes[0].result, GenerationCancelled)
    assert [thread.name for thread in threading.enumerate() if thread.name == "stepper"] == []
    gc.collect()
    assert [kept() for kept in model.kept] == [None]


def test_an_engine_that_is_forgotten_ends_its_thread(model: Strokes) -> None:
    engine = SerialEngine(model, INFO, EngineSettings())
    engine.submit(0, ask(), lambda progress, one=engine: one.cancel(7))  # type: ignore[misc]
    engine.step()
    (thread,) = [one for one in threading.enumerate() if one.name == "stepper"]
    del engine
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
    assert model.tidied == 1


def test_an_id_can_be_used_again(engine: SerialEngine) -> None:
    engine.cancel(0)
    engine.submit(0, ask(), ignore)
    with pytest.raises(ValueError, match="in flight"):
        engine.submit(0, ask(), ignore)
    (outcome,) = finish(engine)
    assert isinstance(outcome.result, GenerationResult)


def test_what_is_wrong_with_one_request_strikes_no_other(engine: SerialEngine) -> None:
    for job_id, wrong in enumerate(
        (
            {"scheduler": "heun"},
            {"negative_prompt": "fog"},
            {"loras": (LoraUse(name="ink"),)},
        )
    ):
        with pytest.raises(RequestError, match=r"heun|negative|ink"):
            engine.submit(job_id, ask(**wrong), ignore)
    engine.submit(4, ask(image=b"no picture"), ignore)
    engine.submit(5, ask(prompt="fail"), ignore)
    engine.submit(6, ask(), ignore)
    results = {outcome.job_id: outcome.result for outcome in finish(engine)}
    assert isinstance(results[4], PictureError)
    assert isinstance(results[5], ZeroDivisionError)
    assert isinstance(results[6], GenerationResult)


def test_a_lost_device_strikes_all_and_is_raised(engine: SerialEngine) -> None:
    """The process must end by it: in this one no later request could be painted either."""
    engine.submit(0, ask(prompt="lose the device"), ignore)
    with pytest.raises(RuntimeError, match="CUDA error"):
        finish(engine)


def test_a_picture_of_another_size_is_scaled_and_that_is_said(
    engine: SerialEngine, model: Strokes
) -> None:
    model.size = (32, 48)
    engine.submit(0, ask(count=2), ignore)
    (outcome,) = finish(engine)
    result = outcome.result
    assert isinstance(result, GenerationResult)
    assert {(image.width, image.height) for image in result.images} == {(64, 64)}
    assert result.notes == ("The model made 32×48 pixels instead of 64×64; they were scaled.",)


def test_the_catalogues_scheduler_comes_before_the_models_own(model: Strokes) -> None:
    engine = SerialEngine(model, replace(INFO, default_scheduler="unipc"), EngineSettings())
    engine.submit(0, ask(), ignore)
    engine.submit(1, ask(scheduler="ddim"), ignore)
    names = {o.job_id: o.result.scheduler for o in finish(engine)}  # type: ignore[union-attr]
    assert names == {0: "unipc", 1: "ddim"}


def test_progress_never_goes_back_when_a_model_learns_its_steps_late(
    engine: SerialEngine, model: Strokes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(
        request: GenerationRequest,
        index: int,
        source: Image.Image | None,
        size: tuple[int, int],
        step: Step,
    ) -> Image.Image:
        for done, total in ((1, 2), (2, 2), (3, 3)):
            step(done, total)
        return Image.new("RGB", size)

    monkeypatch.setattr(model, "run", run)
    seen: list[tuple[int, int]] = []
    engine.submit(0, ask(count=2), lambda p: seen.append((p.step, p.steps)))
    (outcome,) = finish(engine)
    assert seen == [(1, 4), (2, 4), (3, 6), (4, 6), (5, 6), (6, 6)]
    assert isinstance(outcome.result, GenerationResult)
    assert outcome.result.steps_run == 3
