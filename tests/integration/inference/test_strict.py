"""In strict mode a picture's bytes depend on its request alone."""

import os
import random
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import torch
from PIL import Image

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.errors import GenerationCancelled
from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.families.schedulers import scheduler_names
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import ALWAYS, png, run, run_staggered
from tests.small_device import PLENTY, SmallDevice

PATTERNS = int(os.environ.get("PATTERNS", "6"))
"""Of traffic, for each model and batch shape."""

CPU = torch.device("cpu")


def requests(source: bytes) -> list[GenerationRequest]:
    numbers = random.Random(7)
    picture = Image.effect_noise((64, 64), 90).convert("RGB")
    return [
        GenerationRequest(
            prompt=numbers.choice(["a fox", "a fox in the snow, oil on canvas", ""]),
            strength=numbers.choice([0.3, 0.5, 0.8, 1]),
            steps=numbers.randint(2, 4),
            guidance=numbers.choice([1.0, 4.0, 7.5]),
            seed=numbers.randrange(2**32),
            count=numbers.choice([1, 1, 1, 2]),
            scheduler=numbers.choice([None, *scheduler_names(flow=False)]),
            width=64,
            height=numbers.choice([64, 64, 64, 96, 80]),
            image=numbers.choice([source, png(picture)]),
        )
        for _ in range(8)
    ]


@pytest.mark.parametrize("wide", [0, 8])
@pytest.mark.parametrize(("model", "rows"), [("v", 2), ("sd", 4), ("sdxl", 2)])
def test_random_traffic_changes_no_byte(
    load: LoadEngine, source: bytes, model: str, rows: int, wide: int
) -> None:
    asked = requests(source)
    alone = [run(load(model, rows=rows, **ALWAYS), [request])[0] for request in asked]
    numbers = random.Random(rows)
    engine = load(model, rows=rows, slots=8, wide=wide, turns=not wide, **ALWAYS)
    for _ in range(PATTERNS):
        chosen = numbers.sample(range(len(asked)), numbers.randint(2, 5))
        if not wide:  # else the same one goes on, which knows more widths with each pattern
            engine = load(model, rows=rows, slots=numbers.randint(1, 8), **ALWAYS)
        arrivals = [(numbers.randrange(6), asked[index]) for index in chosen]
        for index, result in zip(chosen, run_staggered(engine, arrivals), strict=True):
            assert result.images == alone[index].images
            assert result.batch_shape == alone[index].batch_shape


@pytest.mark.parametrize("model", ["sd", "sdxl"])
def test_random_traffic_as_a_cpu_runs_it_changes_no_byte(
    load: LoadEngine, source: bytes, model: str
) -> None:
    settings = asdict(EngineSettings.for_device(CPU))
    asked = requests(source)
    numbers = random.Random(2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = [run(load(model, **settings), [request])[0].images for request in asked]
        engine = load(model, **settings)
        for _ in range(PATTERNS):
            chosen = numbers.sample(range(len(asked)), numbers.randint(2, 8))
            arrivals = [(numbers.randrange(6), asked[index]) for index in chosen]
            results = run_staggered(engine, arrivals)
            assert [result.images for result in results] == [alone[index] for index in chosen]
    finally:
        torch.set_num_threads(before)


def test_pictures_share_wide_passes_and_keep_every_byte(load: LoadEngine, source: bytes) -> None:
    asked = [
        GenerationRequest(prompt="a fox", steps=5, image=source, seed=seed, guidance=4)
        for seed in range(4)
    ]
    apart, together = load("sd"), load("sd", slots=8, wide=8, turns=False)
    alone = [run(apart, [request])[0].images for request in asked]
    for _ in range(2):  # the first time every width is compared, the second time it is known
        calls = together.calls
        assert [result.images for result in run(together, asked)] == alone
    # Four pictures to a pass, but on a machine whose kernels sum in another order for more rows.
    assert together.calls - calls in (apart.calls // 4, apart.calls)


def test_a_neighbour_that_leaves_changes_no_byte(load: LoadEngine, source: bytes) -> None:
    stays = GenerationRequest(prompt="a fox", steps=6, image=source, seed=1)
    leaves = stays.change(seed=2)
    engine = load("sd", rows=4, **ALWAYS)
    alone = run(load("sd", rows=4, **ALWAYS), [stays])[0]
    engine.submit(0, leaves, lambda progress: None)
    engine.submit(1, stays, lambda progress: None)
    engine.step()
    engine.cancel(0)
    (cancelled,) = engine.step()
    assert isinstance(cancelled.result, GenerationCancelled)
    while not (outcomes := engine.step()):
        pass
    assert outcomes[0].result.images == alone.images


LIMITS = (PLENTY, 3 * 64, 2 * 64, 64 + 32)
"""Of forward passes, in rows × latent places. Of four rows 4, 2, 2 and 1 are left at 64×64."""


def test_random_traffic_with_cancels_on_a_device_that_shrinks_changes_no_byte(
    models: dict[str, Path], source: bytes
) -> None:
    """A picture's bytes depend on its request and on what its result says it was made by."""
    model, info = load_model(models["sd"], CPU, torch.float32), describe(models["sd"])
    assert isinstance(model, UNetModel)
    device, numbers = SmallDevice(), random.Random(11)
    asked = [
        request.change(count=numbers.choice([1, 1, 2, 3]), steps=3 * request.steps)
        for request in requests(source)
    ]

    def fresh(slots: int) -> Engine:
        settings = EngineSettings(rows=4, slots=slots, **ALWAYS)
        return Engine(held, info, settings, memory=device)

    def note(steps: dict[int, int], job: int, progress: Progress) -> None:
        nonlocal restarts
        restarts += progress.step <= steps.get(job, 0)
        steps[job] = progress.step

    restarts = 0
    with device.holding(model) as held:
        known: dict[tuple[int, str], tuple[GeneratedImage, ...]] = {}
        for device.denoise in LIMITS:
            for index, request in enumerate(asked):
                result = run(fresh(8), [request])[0]
                known[index, result.batch_shape] = result.images
        assert len({shape for _, shape in known}) == 3 * 3
        for _ in range(PATTERNS * 2):
            device.denoise, steps = PLENTY, dict[int, int]()
            chosen = numbers.sample(range(len(asked)), numbers.randint(2, 5))
            engine = fresh(numbers.randint(1, 8))
            arrivals = {job: numbers.randrange(5) for job in range(len(chosen))}
            cancels = {numbers.randrange(8): numbers.randrange(len(chosen)) for _ in range(2)}
            limits = {numbers.randrange(1, 7): numbers.choice(LIMITS) for _ in range(2)}
            for tick in count():
                device.denoise = min(device.denoise, limits.get(tick, PLENTY))
                for job, arrival in arrivals.items():
                    if arrival == tick:
                        engine.submit(job, asked[chosen[job]], partial(note, steps, job))
                engine.cancel(cancels.get(tick, -1))
                for outcome in engine.step():
                    if not isinstance(outcome.result, GenerationCancelled):
                        assert isinstance(outcome.result, GenerationResult)
                        made = chosen[outcome.job_id], outcome.result.batch_shape
                        assert outcome.result.images == known[made]
                if tick > max(arrivals.values()) and not engine.has_work:
                    break
        assert restarts > PATTERNS / 4
