"""The loop of an engine's process, driven in this one."""

import queue
from pathlib import Path

import pytest

from inference.catalog import Catalog
from inference.errors import (
    EngineFault,
    GenerationCancelled,
    InferenceError,
    ModelError,
    OutOfMemory,
    RequestError,
)
from inference.executors.frames import FrameError
from inference.executors.loop import Loop, Pulse
from inference.executors.messages import (
    Advanced,
    Cancel,
    Finished,
    Loading,
    Message,
    Ready,
    Run,
    Unusable,
)
from inference.executors.models import Models
from inference.request import Recipe
from inference.result import GenerationResult
from tests.fake_engine import load


class Stage:
    """A loop with an inbox to fill and what it said."""

    def __init__(self, folder: Path) -> None:
        for name in ("first", "second"):
            (folder / name).mkdir()
            (folder / name / "model_index.json").write_text('{"_class_name": "X"}')
        self.folder = folder
        self.inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.said: list[Message] = []
        self.pulse = Pulse()
        self.loop = Loop(
            models=Models(Catalog(folder, default="first"), load, device="cpu", room=int),
            default="first",
            inbox=self.inbox,
            send=self._send,
            pulse=self.pulse,
        )
        self.left = 0

    def _send(self, message: Message) -> None:
        self.said.append(message)
        if isinstance(message, Finished):
            self.left -= 1
            if self.left == 0:
                self.inbox.put(None)

    def ask(self, ticket: int, prompt: str = "", *, model: str = "first", steps: int = 2) -> None:
        recipe = Recipe(prompt=prompt, model=model, steps=steps, strength=1)
        self.inbox.put(Run(ticket=ticket, request=recipe.with_picture(None)))
        self.left += 1

    def outcomes(self) -> dict[int, GenerationResult | InferenceError]:
        self.loop.run()
        return {m.ticket: m.outcome for m in self.said if isinstance(m, Finished)}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_two_requests_are_stepped_together(stage: Stage) -> None:
    stage.ask(1)
    stage.ask(2)
    assert all(isinstance(o, GenerationResult) for o in stage.outcomes().values())
    assert stage.said[:2] == [Loading(), Ready(capacity=4)]
    steps = [(m.ticket, m.progress.step) for m in stage.said if isinstance(m, Advanced)]
    assert steps == [(1, 1), (2, 1), (1, 2), (2, 2)]
    assert not stage.pulse.busy
    assert stage.pulse.ticks == 4  # two admissions, two steps


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("refuse", RequestError),
        ("fault on entry", EngineFault),
        ("fault", EngineFault),
        ("memory", OutOfMemory),
    ],
)
def test_what_strikes_one_leaves_the_others(
    stage: Stage, prompt: str, kind: type[InferenceError]
) -> None:
    stage.ask(1)
    stage.ask(2, prompt)
    outcomes = stage.outcomes()
    assert isinstance(outcomes[1], GenerationResult)
    assert type(outcomes[2]) is kind


def test_what_strikes_the_batch_leaves_the_loop(stage: Stage) -> None:
    stage.ask(1, "all fault")
    with pytest.raises(ZeroDivisionError):
        stage.loop.run()


def test_another_model_waits_until_the_first_is_done_and_nobody_overtakes(stage: Stage) -> None:
    stage.ask(1, steps=3)
    stage.ask(2, model="second")
    stage.ask(3, steps=1)
    outcomes = stage.outcomes()
    assert list(outcomes) == [1, 2, 3]
    models = [o.model for o in outcomes.values() if isinstance(o, GenerationResult)]
    assert models == ["first", "second", "first"]


def test_cancel_while_waiting_and_while_running(stage: Stage) -> None:
    stage.ask(1, steps=100)
    stage.ask(2, model="second")
    for ticket in (2, 1, 99):
        stage.inbox.put(Cancel(ticket=ticket))
    outcomes = stage.outcomes()
    assert {ticket: type(outcome) for ticket, outcome in outcomes.items()} == {
        1: GenerationCancelled,
        2: GenerationCancelled,
    }


def test_a_broken_default_does_not_stop_other_models(stage: Stage) -> None:
    (stage.folder / "first" / "broken").touch()
    stage.ask(1)
    stage.ask(2, model="second")
    stage.ask(3, model="third")
    outcomes = stage.outcomes()
    assert isinstance(stage.said[1], Unusable)
    assert stage.said[1].reason.endswith("is in the way.")
    assert type(outcomes[1]) is ModelError
    assert isinstance(outcomes[2], GenerationResult)
    assert type(outcomes[3]) is RequestError


def test_a_default_that_was_mended_is_ready(stage: Stage) -> None:
    obstacle = stage.folder / "first" / "broken"
    obstacle.touch()
    original = stage.loop._send

    def mend(message: Message) -> None:
        original(message)
        if isinstance(message, Unusable):
            obstacle.unlink()

    stage.loop._send = mend
    stage.ask(1)
    assert isinstance(stage.outcomes()[1], GenerationResult)
    assert Ready(capacity=4) in stage.said


def test_a_result_that_cannot_be_sent_fails_its_job(stage: Stage) -> None:
    original = stage.loop._send

    def refuse(message: Message) -> None:
        if isinstance(message, Finished) and isinstance(message.outcome, GenerationResult):
            raise FrameError("x.Y does not belong in a message")
        original(message)

    stage.loop._send = refuse
    stage.ask(1)
    assert "does not belong" in str(stage.outcomes()[1])
