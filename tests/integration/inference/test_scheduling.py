"""Who advances when: properties of the engine under random traffic, with a real model."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.errors import GenerationCancelled
from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from tests.small_device import SmallDevice, first

SIZES = ((64, 64), (96, 64), (64, 80))


@pytest.fixture(scope="module")
def model(models: dict[str, Path]) -> UNetModel:
    loaded = load_model(models["sd"], torch.device("cpu"), torch.float32)
    assert isinstance(loaded, UNetModel)
    return loaded


@pytest.fixture
def device() -> SmallDevice:
    """Here it only counts."""
    return SmallDevice()


@pytest.fixture
def start(
    model: UNetModel, models: dict[str, Path], device: SmallDevice
) -> Iterator[Callable[..., Engine]]:
    info = describe(models["sd"])
    with device.holding(model) as held:

        def make(**settings: Any) -> Engine:
            # A preview needs passes too; one is drawn at once, and then none for long.
            return Engine(
                held, info, EngineSettings(preview_seconds=1e9, **settings), memory=device
            )

        yield make


def ask(source: bytes, **changes: Any) -> GenerationRequest:
    request = GenerationRequest(
        prompt="a pier", steps=8, strength=0.5, width=64, height=64, image=source
    )
    return request.change(**changes)


@pytest.mark.parametrize("strict", [True, False])
def test_every_picture_advances_in_every_tick(
    start: Callable[..., Engine], source: bytes, strict: bool
) -> None:
    numbers = random.Random(5)
    engine = start(strict=strict, rows=4, slots=6)
    steps: dict[int, int] = {}

    def note(job: int, progress: Progress) -> None:
        steps[job] = progress.step
        if progress.step == progress.steps:
            del steps[job]  # it is decoded and written now

    waiting, ended = iter(range(30)), 0
    while ended < 30:
        for _, job in zip(range(numbers.randint(0, 3)), waiting, strict=False):
            width, height = numbers.choice(SIZES)
            request = ask(
                source,
                steps=numbers.randint(2, 12),
                guidance=numbers.choice([1.0, 5.0]),
                width=width,
                height=height,
            )
            engine.submit(job, request, partial(note, job))
        before = dict(steps)
        outcomes = engine.step()
        assert all(isinstance(outcome.result, GenerationResult) for outcome in outcomes)
        assert all(step < steps.get(job, 99) for job, step in before.items())
        ended += len(outcomes)


def test_a_small_bucket_waits_for_one_pass_of_a_large_one_at_most(
    start: Callable[..., Engine], model: UNetModel, source: bytes
) -> None:
    engine = start(strict=True, slots=8)
    order: list[int] = []
    hook = model.unet.register_forward_pre_hook(
        lambda _, inputs, named: order.append(first(inputs, named)[0, 0].numel()), with_kwargs=True
    )
    for number in range(6):
        engine.submit(number, ask(source, seed=number), lambda progress: None)
    engine.submit(9, ask(source, width=96, steps=12, guidance=1.0), lambda progress: None)
    while engine.has_work:
        engine.step()
    hook.remove()
    small = [place for place, places in enumerate(order) if places == 96]
    assert len(small) == 6
    assert {after - before for before, after in pairwise(small)} == {2}


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_without_guidance_no_second_row_is_run(
    start: Callable[..., Engine], device: SmallDevice, source: bytes, guidance: float
) -> None:
    engine = start(strict=False, rows=8)
    for number in range(3):
        changes = {"guidance": guidance if number else 3.0, "seed": number}
        engine.submit(number, ask(source, **changes), lambda progress: None)
    while engine.has_work:
        engine.step()
    assert device.rows() == [4] * 4  # two, one and one; four times


def test_a_cancelled_job_is_not_in_the_next_forward_pass(
    start: Callable[..., Engine], device: SmallDevice, model: UNetModel, source: bytes
) -> None:
    """Cancelled while another size's pass of the same tick runs."""
    engine = start(strict=False, rows=8)
    seen: list[tuple[int, int]] = []

    def cancel(_: Any, inputs: Any, named: Any) -> None:
        latents = first(inputs, named)
        seen.append((latents.shape[0], latents[0, 0].numel()))
        if len(seen) == 3:  # 64×64 in the second tick
            engine.cancel(1)
            engine.cancel(2)

    hook = model.unet.register_forward_pre_hook(cancel, with_kwargs=True)
    try:
        engine.submit(0, ask(source), lambda progress: None)
        engine.submit(1, ask(source, width=96), lambda progress: None)
        engine.submit(2, ask(source, guidance=1.0, seed=4), lambda progress: None)
        outcomes = engine.step() + engine.step()
    finally:
        hook.remove()
    assert {outcome.job_id for outcome in outcomes} == {1, 2}
    assert all(isinstance(outcome.result, GenerationCancelled) for outcome in outcomes)
    assert seen == [(3, 64), (2, 96), (3, 64)]
    engine.step()
    assert device.passes["denoise", 2, 64] == 1


def test_only_as_much_is_admitted_as_fits_the_memory(
    start: Callable[..., Engine], device: SmallDevice, source: bytes
) -> None:
    """Once a pass was watched, no other one has to fail."""
    engine = start(strict=False, rows=8, slots=8)
    engine.submit(0, ask(source, guidance=1.0), lambda progress: None)
    engine.step()
    device.denoise = 5 * 64
    for number in range(1, 9):
        engine.submit(number, ask(source, seed=number, guidance=1.0), lambda progress: None)
    results = 0
    while engine.has_work:
        results += sum(isinstance(each.result, GenerationResult) for each in engine.step())
    assert results == 9
    assert device.refused == 0
    assert max(device.rows()) == 4  # of five some is left to the allocator
