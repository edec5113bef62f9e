"""`python -m inference batch`: a file of requests through the engine together."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from inference.__main__ import main
from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import pixels, run


@pytest.fixture
def jobs(tmp_path: Path, source: bytes) -> Path:
    (tmp_path / "source.png").write_bytes(source)
    return tmp_path / "jobs.jsonl"


def write(jobs: Path, *lines: dict[str, Any] | str) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    jobs.write_text("\n".join(texts) + "\n")


def call(jobs: Path, model: Path, *more: str) -> int:
    out = jobs.parent / "out"
    return main(
        ["batch", str(jobs), "--model", str(model), "--out", str(out), "--device", "cpu", *more]
    )


def results(jobs: Path) -> dict[str, dict[str, Any]]:
    text = (jobs.parent / "out" / "results.jsonl").read_text()
    return {line["id"]: line for line in map(json.loads, text.splitlines())}


MIXED: list[dict[str, Any]] = [
    {"id": "first", "prompt": "a pier", "steps": 4, "strength": 0.5, "seed": 1, "guidance": 4},
    {"id": "tall", "prompt": "fog", "steps": 3, "seed": 2, "size": "64x96", "scheduler": "unipc"},
    {"id": "two", "prompt": "fog", "negative_prompt": "sun", "steps": 2, "count": 2, "seed": 3},
    {"id": "kept", "prompt": "", "strength": 0, "seed": 4},
]


@pytest.mark.parametrize("fast", [False, True])
def test_every_job_has_its_pictures_and_its_line(
    jobs: Path, models: dict[str, Path], load: LoadEngine, source: bytes, fast: bool
) -> None:
    write(jobs, *({"task": "img2img", "image": "source.png"} | line for line in MIXED))
    assert call(jobs, models["sd"], *(["--fast"] if fast else [])) == 0
    found = results(jobs)
    assert set(found) == {"first", "tall", "two", "kept"}
    assert found["two"]["paths"] == [str(jobs.parent / "out/two/0.png"), *found["two"]["paths"][1:]]
    assert [found[name]["steps_run"] for name in ("first", "tall", "two", "kept")] == [2, 1, 1, 0]
    assert (found["tall"]["width"], found["tall"]["height"]) == (64, 96)
    assert found["first"]["seed"] == 1
    for line in found.values():
        assert 0 <= line["submitted"] <= line["started"] <= line["finished"] < 60
    alone = run(
        load("sd"),
        [
            GenerationRequest(
                prompt="a pier", steps=4, strength=0.5, seed=1, guidance=4, image=source
            )
        ],
    )[0]
    written = (jobs.parent / "out" / "first" / "0.png").read_bytes()
    if fast:  # a CPU may then run the model in bf16
        error = (pixels(written) - pixels(alone.images[0].data)).astype(float)
        assert 10 * math.log10(255**2 / max(1e-9, (error**2).mean())) > 35  # PSNR in dB
    else:  # but for what the file says of itself
        assert (pixels(written) == pixels(alone.images[0].data)).all()


def test_a_bad_job_is_told_of_and_the_others_run(
    jobs: Path,
    models: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = {"id": "good", "prompt": "fog", "image": "source.png", "steps": 1}
    write(
        jobs,
        good,
        good | {"id": "strong", "strength": 3},
        good | {"id": "odd", "colour": "red"},
        good | {"id": "text", "steps": "four"},
        good | {"id": "blind", "image": "missing.png"},
        good | {"id": "long", "scheduler": "lcm", "steps": 80},
        {"id": "silent", "image": "source.png"},
    )
    assert call(jobs, models["sd"]) == 1
    found = results(jobs)
    assert "6 of the jobs failed" in capsys.readouterr().err.splitlines()[-1]
    assert "error" not in found["good"]
    for name, said in {
        "strong": "Strength 3 is outside 0 to 1",
        "odd": "There is no field “colour”",
        "text": "The steps cannot be 'four'",
        "blind": "missing.png cannot be read",
        "long": "cannot run 80 steps",
        "silent": "“prompt” is missing",
    }.items():
        assert said in found[name]["error"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2 of {jobs} is not JSON"),
        ("[1]", "Line 2 of {jobs} is not a JSON object."),
        ('{"prompt": "x"}', "Line 2 of {jobs} needs an id"),
        ('{"id": "../up", "prompt": "x"}', "Line 2 of {jobs} needs an id"),
        ('{"id": "..", "prompt": "x"}', "Line 2 of {jobs} needs an id"),
        ('{"id": "a", "prompt": "x"}', "Line 2 of {jobs} repeats the id “a”."),
    ],
)
def test_a_line_without_a_place_for_its_result_stops_everything(
    jobs: Path, models: dict[str, Path], capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    write(jobs, {"id": "a", "prompt": "x", "strength": 1}, line)
    assert call(jobs, models["sd"]) == 2
    assert said.replace("{jobs}", str(jobs)) in capsys.readouterr().err
    assert not (jobs.parent / "out").exists()


def test_a_file_that_is_not_there(
    jobs: Path, models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(jobs, models["sd"]) == 2
    assert "jobs.jsonl cannot be read" in capsys.readouterr().err
