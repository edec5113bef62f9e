"""LoRAs and embeddings on the command line: by name, by path, and in the prompt."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.__main__ import main
from tests import tiny_adapters
from tests.integration.inference.lora_traffic import asked, engine_for, fill_shelf, load_with
from tests.integration.inference.traffic import pixels, run


@pytest.fixture
def home(
    models: dict[str, Path], source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    (tmp_path / "source.png").write_bytes(source)
    fill_shelf(tmp_path / "home/models", models["sd"])
    monkeypatch.setenv("PALIMPSEST_HOME", str(tmp_path / "home"))
    return tmp_path


def generate(home: Path, model: Path, prompt: str, *more: str) -> int:
    options = ["--model", model, "--out", home / "out", "--image", home / "source.png"]
    fixed = ["--device", "cpu", "--steps", "4", "--seed", "7", "--guidance", "1"]
    return main(["generate", "img2img", "--prompt", prompt, *map(str, options), *fixed, *more])


def test_by_name_by_path_and_in_the_prompt(
    home: Path, models: dict[str, Path], source: bytes
) -> None:
    elsewhere = home / "my own.safetensors"
    elsewhere.write_bytes((home / "home/models/loras/wash.safetensors").read_bytes())
    engine = engine_for(load_with(models["sd"], home / "home/models"), models["sd"])
    request = asked("a pier <lora:ink:0.5><lora:wash:-1>", source, seed=7, guidance=1)
    expected = pixels(run(engine, [request])[0].images[0].data)
    for prompt, more in (
        ("a pier <lora:ink:0.5><lora:wash:-1>", []),
        ("a pier <lora:wash:-1>", ["--lora", "ink:0.5"]),
        ("a pier", ["--lora", f"{elsewhere}:-1", "--lora", "ink:0.5"]),
    ):
        assert generate(home, models["sd"], prompt, *more) == 0
        found = pixels((home / "out/0.png").read_bytes())
        assert np.array_equal(found, expected), more


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["", "--lora", "inc"], "There is no LoRA “inc”; the nearest is “ink”."),
        (["", "--lora", "ink:3"], "is outside -2 to 2; the nearest allowed value is 2."),
        (["<lora:ink:1>", "--lora", "ink:0.5"], "“ink” is asked for twice, with the weights 0.5"),
        (["<lora:ink"], "is not of the form <lora:name:0.8>."),
        (["", "--negative-prompt", "<lora:ink>"], "in the negative prompt has no meaning"),
        (["", "--lora", "nowhere/ink.safetensors"], "There is no file "),
        (["", "--lora", "xl"], "The LoRA “xl” was made for SDXL; the model “sd” is Stable Diff"),
        (["", "--lora", "torn"], "The LoRA “torn” is damaged: it has no header"),
    ],
)
def test_what_cannot_be_is_said_before_the_model_is_loaded(
    home: Path,
    models: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    loras = home / "home/models/loras"
    tiny_adapters.lora(loras / "xl.safetensors", models["sdxl"], parts=("unet", "text_encoder_2"))
    (loras / "torn.safetensors").write_bytes(b"{")
    assert generate(home, models["sd"], *arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "step/s" not in told


def test_a_file_of_jobs_names_them_as_texts(home: Path, models: dict[str, Path]) -> None:
    tiny_adapters.embedding(home / "home/models/embeddings/mist.safetensors", 32)
    beside = home / "wash.safetensors"
    (home / "home/models/loras/wash.safetensors").rename(beside)
    jobs: list[dict[str, Any]] = [
        {"id": "none"},
        {"id": "named", "loras": ["ink:0.5", "wash.safetensors"]},
        {"id": "again", "loras": [f"{beside}:1", "ink:0.5"]},
        {"id": "learned", "prompt": "a MIST"},
        {"id": "object", "loras": [{"name": "ink"}]},
        {"id": "text", "loras": "ink"},
        {"id": "unknown", "loras": ["incc"]},
    ]
    line = {"prompt": "a pier", "image": "source.png", "steps": 2, "seed": 1}
    file = home / "jobs.jsonl"
    file.write_text("\n".join(json.dumps(line | job) for job in jobs))
    out = home / "out"
    call = ["batch", str(file), "--model", str(models["sd"]), "--out", str(out)]
    assert main([*call, "--device", "cpu"]) == 1
    text = (out / "results.jsonl").read_text()
    results = {line["id"]: line for line in map(json.loads, text.splitlines())}
    assert results["object"]["error"] == (
        "A LoRA cannot be {'name': 'ink'}; it is a text as in “ink:0.8”."
    )
    assert results["text"]["error"] == "The loras cannot be 'ink'."
    assert results["unknown"]["error"] == "There is no LoRA “incc”; the nearest is “ink”."
    none, named, again, learned = (
        pixels((out / name / "0.png").read_bytes())
        for name in ("none", "named", "again", "learned")
    )
    assert np.array_equal(named, again)
    assert not np.array_equal(named, none)
    assert not np.array_equal(learned, none)
