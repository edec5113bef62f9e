"""Arm (c) of the benchmarks: which jobs share a call of the pipeline, and when it is made."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from inference.request import GenerationRequest
from tests.benchmarks.engine.arms import NEVER
from tests.benchmarks.engine.pipeline_arm import PipelineArm
from tests.benchmarks.engine.traces import Arrival, Wish, request_of

WISH = Wish(size=(64, 64), steps=4, strength=0.5, guidance=5.0)


class Pipe:
    """Stands for diffusers' pipeline: notes what it is called with, paints grey."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self._hooks: list[Callable[[object, tuple[Any, ...]], None]] = []
        self.unet = SimpleNamespace(register_forward_pre_hook=self._hooks.append)

    def __call__(self, **options: Any) -> SimpleNamespace:
        self.calls.append(options)
        pictures = len(options["prompt"])
        rows = pictures * (2 if options["guidance_scale"] > 1 else 1)
        for _ in range(int(options["num_inference_steps"] * options["strength"])):
            for hook in self._hooks:
                hook(None, (torch.zeros(rows, 4, 8, 8),))
        return SimpleNamespace(images=[Image.new("RGB", (64, 64), "grey")] * pictures)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


def arrival(number: int, at: float = 0.0, **changes: Any) -> Arrival:
    request = request_of(WISH, seed=number, prompt=str(number)).change(**changes)
    return Arrival(number=number, at=at, guild=0, request=request)


def batches(pipe: Pipe) -> list[list[str]]:
    return [call["prompt"] for call in pipe.calls]


def test_one_at_a_time_needs_no_window_and_keeps_the_order(pipe: Pipe) -> None:
    arm = PipelineArm(pipe)
    assert arm.due(3.0) == NEVER
    for number in range(3):
        arm.arrive(arrival(number, strength=0.5 + number / 4))
        assert arm.due(3.0) == 3.0
    assert [done.number for _ in range(3) for done in arm.work(3.0)] == [0, 1, 2]
    assert batches(pipe) == [["0"], ["1"], ["2"]]


def test_equal_jobs_share_a_call_and_others_do_not(pipe: Pipe) -> None:
    arm = PipelineArm(pipe, limit=8)
    for number, changes in enumerate(
        ({}, {"strength": 0.75}, {}, {"steps": 8}, {"guidance": 1.0}, {"width": 128, "height": 64})
    ):
        arm.arrive(arrival(number, **changes))
    while arm.due(0.0) == 0.0:
        arm.work(0.0)
    assert batches(pipe) == [["0", "2"], ["1"], ["3"], ["4"], ["5"]]


def test_a_batch_waits_for_its_window_unless_it_is_full(pipe: Pipe) -> None:
    arm = PipelineArm(pipe, limit=2, window=0.02)
    arm.arrive(arrival(0, at=1.0))
    assert arm.due(1.0) == pytest.approx(1.02)
    assert arm.due(5.0) == 5.0
    arm.arrive(arrival(1, at=1.01))
    arm.arrive(arrival(2, at=1.01))
    assert arm.due(1.01) == 1.01
    assert [done.number for done in arm.work(1.01)] == [0, 1]
    assert arm.due(1.01) == pytest.approx(1.03)


def test_of_the_batches_that_are_due_the_oldest_goes_first(pipe: Pipe) -> None:
    arm = PipelineArm(pipe, limit=2, window=0.02)
    arm.arrive(arrival(0, at=1.0))
    arm.arrive(arrival(1, at=1.005, steps=8))
    arm.arrive(arrival(2, at=1.005, steps=8))
    assert [done.number for done in arm.work(1.01)] == [1, 2], "the other's window is not over"
    arm.arrive(arrival(3, at=1.015, steps=8))
    assert [done.number for done in arm.work(2.0)] == [0]


def test_calls_and_rows_are_counted_where_they_happen(pipe: Pipe) -> None:
    arm = PipelineArm(pipe, limit=2)
    for number in range(2):
        arm.arrive(arrival(number))
    arm.work(0.0)
    assert (arm.counts().calls, arm.counts().rows) == (2, 8)


def test_a_job_runs_at_least_one_step_as_in_the_engine(pipe: Pipe) -> None:
    arm = PipelineArm(pipe)
    for number, (steps, strength) in enumerate(((1, 0.3), (2, 0.45), (3, 0.3), (4, 0.9))):
        request = GenerationRequest(prompt="", steps=steps, strength=strength, guidance=1.0,
                                    image=arrival(0).request.image)  # fmt: skip
        before = arm.counts().calls
        arm.arrive(Arrival(number=number, at=0.0, guild=0, request=request))
        arm.work(0.0)
        assert arm.counts().calls - before == request.steps_run
