"""In strict mode a picture's bytes depend on its request alone, whatever LoRAs are around."""

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from inference.families.base import Line
from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.lora_traffic import MIXES, asked, engine_for, fill_shelf, load_with
from tests.integration.inference.traffic import ALWAYS, run, run_staggered

PATTERNS = int(os.environ.get("PATTERNS", "6"))
"""Of traffic, for each model and batch shape."""


def requests(source: bytes) -> list[GenerationRequest]:
    numbers = random.Random(11)
    return [
        asked(
            f"{numbers.choice(['a fox', 'a fox in the snow'])}{tags}",
            source,
            strength=numbers.choice([0.5, 0.8, 1]),
            steps=numbers.randint(2, 4),
            guidance=numbers.choice([1.0, 4.0]),
            seed=numbers.randrange(2**32),
            count=numbers.choice([1, 1, 2]),
        )
        for tags in (*MIXES, "", "<lora:ink:0.2>")
    ]


@pytest.mark.parametrize(("model", "rows"), [("sd", 4), ("sdxl", 2)])
def test_random_traffic_with_loras_changes_no_byte(
    models: dict[str, Path], source: bytes, tmp_path: Path, model: str, rows: int
) -> None:
    driven = load_with(models[model], fill_shelf(tmp_path, models[model]))
    all_requests = requests(source)
    alone = [
        run(engine_for(driven, models[model], rows=rows, **ALWAYS), [one])[0]
        for one in all_requests
    ]
    assert len({result.images for result in alone}) == len(alone)
    numbers = random.Random(rows)
    for _ in range(PATTERNS):
        chosen = numbers.sample(range(len(all_requests)), numbers.randint(2, 6))
        slots, wide = numbers.randint(2, 8), numbers.choice([0, 8])
        engine = engine_for(driven, models[model], rows=rows, slots=slots, wide=wide, **ALWAYS)
        arrivals = [(numbers.randrange(6), all_requests[index]) for index in chosen]
        for index, result in zip(chosen, run_staggered(engine, arrivals), strict=True):
            assert result.images == alone[index].images
            assert result.batch_shape == alone[index].batch_shape
            assert result.versions == alone[index].versions


@pytest.mark.parametrize("model", ["sd", "sdxl"])
def test_without_a_lora_it_is_as_if_there_never_was_one(
    load: LoadEngine, models: dict[str, Path], source: bytes, tmp_path: Path, model: str
) -> None:
    plain = asked("a red house", source, seed=4, guidance=4.0, negative_prompt="fog")
    untouched = run(load(model, rows=4), [plain])[0]
    driven = load_with(models[model], fill_shelf(tmp_path, models[model]))
    engine = engine_for(driven, models[model], rows=4, slots=8)
    others = [asked(f"a red house{tags}", source, seed=4, guidance=4.0) for tags in MIXES[1:]]
    among = run_staggered(engine, [(0, others[0]), (1, plain), (0, others[1]), (2, others[4])])
    assert among[1].images == untouched.images
    assert run(engine, [plain])[0].images == untouched.images
    for text in ("<lora:ink:0>", "<lora:wash:0><lora:ink:0>"):
        nothing = asked(f"a red house {text}", source, seed=4, guidance=4.0, negative_prompt="fog")
        assert run(engine, [nothing])[0].images == untouched.images


def test_rows_of_different_mixes_are_never_in_one_pass_and_equal_ones_are(
    models: dict[str, Path],
    source: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driven: Any = load_with(models["sd"], fill_shelf(tmp_path, models["sd"]))
    passes: list[tuple[object, int]] = []
    predict = type(driven).predict

    def watched(self: Any, lines: Sequence[Line]) -> Tensor:
        mixes = {row.loras.mix for _, _, row in lines}
        assert len(mixes) == 1
        passes.append((mixes.pop(), len(lines)))
        return predict(self, lines)

    monkeypatch.setattr(type(driven), "predict", watched)
    twins = ("<lora:ink:1><lora:wash:1>", "<lora:wash:1> <lora:ink:1>", "", "")
    tags = (*twins, "<lora:ink:1>", "<lora:ink:0.5>")
    engine = engine_for(driven, models["sd"], strict=False, rows=8, slots=8)
    run(engine, [asked(f"a fox {one}", source, steps=2, seed=1) for one in tags])
    most: dict[object, int] = {}
    for mix, rows in passes:
        most[mix] = max(rows, most.get(mix, 0))
    assert sorted(most.values()) == [2, 2, 4, 4]


def test_the_job_says_which_files_made_it(
    models: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    shelf = fill_shelf(tmp_path, models["sd"])
    engine = engine_for(load_with(models["sd"], shelf), models["sd"])
    result = run(engine, [asked("a fox <lora:ink:1><lora:wash:-1><lora:chalk:0>", source)])[0]
    assert result.versions.keys() == {"lora ink", "lora wash"}
    assert len(set(result.versions.values())) == 2
    assert run(engine, [asked("a fox", source)])[0].versions == {}


def test_a_replaced_file_is_read_again(
    models: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    engine = engine_for(load_with(models["sd"], fill_shelf(tmp_path, models["sd"])), models["sd"])
    request = asked("a fox <lora:ink:1>", source)
    before = run(engine, [request])[0]
    wash = (tmp_path / "loras/wash.safetensors").read_bytes()
    (tmp_path / "loras/ink.safetensors").write_bytes(wash)
    after = run(engine, [request])[0]
    assert after.images != before.images
    assert after.versions != before.versions
