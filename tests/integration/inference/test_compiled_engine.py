"""Fast mode with compiled passes: they come when they are ready, and change nothing to be seen."""

import random
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families import load as loading
from inference.families.base import Line
from inference.families.compiled import CompiledForward
from inference.families.flow import FlowModel
from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.model_info import describe
from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import pixels, run, run_staggered

CPU = torch.device("cpu")
FAST = EngineSettings(strict=False, rows=8, slots=6, compiled=True, shapes=(2, 4, 8))


def load_compiled(folder: Path) -> UNetModel | FlowModel:
    model = load_model(folder, CPU, torch.float32, compiled=True)
    assert isinstance(model, UNetModel | FlowModel)
    assert model.compiled is not None
    return model


def watched(model: UNetModel | FlowModel) -> list[int]:
    """The numbers of rows of the forward passes from now on."""
    rows: list[int] = []
    predict = type(model).predict

    def count(lines: list[Line]) -> torch.Tensor:
        rows.append(len(lines))
        return predict(model, lines)

    object.__setattr__(model, "predict", count)  # a frozen dataclass
    return rows


def some_requests(source: bytes) -> list[GenerationRequest]:
    numbers = random.Random(4)
    return [
        GenerationRequest(
            prompt=numbers.choice(["a fox", "fog"]),
            steps=4,
            strength=1.0 if seed % 2 else 0.8,
            guidance=numbers.choice([1.0, 5.0]),
            seed=seed,
            width=64,
            height=64,
            image=source,
        )
        for seed in range(5)
    ]


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3", "flux"])
def test_traffic_in_few_shapes_that_are_compiled_meanwhile(
    models: dict[str, Path],
    load: LoadEngine,
    source: bytes,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    quick = partial(CompiledForward, backend="eager", worth=2)
    monkeypatch.setattr(loading, "CompiledForward", quick)
    model = load_compiled(models[name])
    asked, rows = some_requests(source), watched(model)
    plain = load(name, strict=False, rows=8, slots=6)
    arrivals = [(seed, request) for seed, request in enumerate(asked)]
    for _ in range(2):
        engine = Engine(model, describe(models[name]), FAST)
        for request, result in zip(asked, run_staggered(engine, arrivals), strict=True):
            expected = pixels(run(plain, [request])[0].images[0].data)
            assert np.abs(pixels(result.images[0].data) - expected).max() <= 1
        assert model.compiled is not None
        model.compiled.settle()
    # Which of them come up depends on how guidance and arrivals fall together.
    assert set(rows) <= {2, 4, 8} and len(set(rows)) > 1
    assert model.compiled.ready
    assert {int(shape.split("×")[0]) for shape in model.compiled.ready} <= set(rows)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_the_real_compiler(
    models: dict[str, Path], load: LoadEngine, source: bytes, tmp_path: Path
) -> None:
    model = load_compiled(models["sd"])
    request = some_requests(source)[0].change(guidance=5.0, steps=12, strength=1.0)
    engine = Engine(model, describe(models["sd"]), FAST)
    expected = pixels(run(load("sd", strict=False), [request])[0].images[0].data)
    for _ in range(2):
        found = run(engine, [request])[0]
        assert np.abs(pixels(found.images[0].data) - expected).max() <= 1
        assert model.compiled is not None
        model.compiled.settle()
    assert model.compiled.ready == ["2×4×8×8"]


def test_strict_mode_compiles_nothing() -> None:
    strict = EngineSettings.for_device(torch.device("cuda"))
    assert not strict.compiled and not strict.shapes
    with pytest.raises(ValueError, match="strict"):
        strict.compiling(True)
    fast = EngineSettings.for_device(torch.device("cuda"), strict=False)
    assert fast.compiled and fast.rows in fast.shapes
    assert not EngineSettings.for_device(CPU, strict=False).compiled
