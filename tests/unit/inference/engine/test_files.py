"""Files are read and written beside the model's work."""

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from inference.engine.engine import Engine
from inference.engine.job import Outcome
from inference.engine.settings import EngineSettings
from inference.errors import GenerationCancelled, PictureError
from inference.families.model import UNetModel
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from inference.tasks.img2img import Img2Img

SECONDS = 30
"""Nothing here takes as long."""


class Held:
    """Writing waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.threads: set[str] = set()
        write = Img2Img.picture

        def held(task: Img2Img, *values: Any) -> Any:
            self.threads.add(threading.current_thread().name)
            self.begun.set()
            assert self.go.wait(SECONDS)
            return write(task, *values)

        monkeypatch.setattr(Img2Img, "picture", held)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(monkeypatch)
    yield held
    held.go.set()


@pytest.fixture
def engine(model: UNetModel, info: ModelInfo) -> Engine:
    return Engine(model, info, EngineSettings(strict=False, rows=8, slots=3))


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


def test_others_go_on_while_a_picture_is_written(engine: Engine, held: Held) -> None:
    engine.submit(0, ask(steps=2), ignore)
    engine.submit(1, ask(steps=20), ignore)
    for _ in range(9):
        assert engine.step() == []
    assert held.begun.wait(SECONDS)
    assert engine.calls == 9
    held.go.set()
    assert {outcome.job_id for outcome in finish(engine)} == {0, 1}
    assert all(name.startswith("files") for name in held.threads)


def test_alone_the_last_step_waits_for_the_picture(engine: Engine) -> None:
    engine.submit(0, ask(), ignore)
    assert engine.step() == []
    assert len(engine.step()) == 1


def test_a_job_can_be_cancelled_while_its_picture_is_written(engine: Engine, held: Held) -> None:
    engine.submit(0, ask(steps=2), ignore)
    engine.submit(1, ask(steps=8), ignore)
    engine.step()
    assert held.begun.wait(SECONDS)
    engine.cancel(0)
    (outcome,) = engine.step()
    assert isinstance(outcome.result, GenerationCancelled)
    held.go.set()
    (other,) = finish(engine)
    assert isinstance(other.result, GenerationResult)


def test_what_goes_wrong_in_writing_strikes_one_job(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(task: Img2Img, index: int, pixels: object) -> None:
        raise OSError(f"picture {index}")

    engine.submit(0, ask(count=2), ignore)
    monkeypatch.setattr(Img2Img, "picture", fail)
    (outcome,) = finish(engine)
    assert isinstance(outcome.result, OSError)
    monkeypatch.undo()
    engine.submit(1, ask(), ignore)
    assert isinstance(finish(engine)[0].result, GenerationResult)


def test_sources_are_read_ahead_and_a_broken_one_strikes_one_job(engine: Engine) -> None:
    whole = ask().image or b""
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    for job_id, image in enumerate((whole, buffer.getvalue()[:2000], whole, whole, whole)):
        engine.submit(job_id, ask(image=image), ignore)
    results = {outcome.job_id: outcome.result for outcome in finish(engine)}
    assert isinstance(results.pop(1), PictureError)
    assert all(isinstance(result, GenerationResult) for result in results.values())
