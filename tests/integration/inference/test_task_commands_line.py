"""The tasks on the command line: their own flags, and the second picture."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from inference.__main__ import main
from tests.integration.inference.traffic import open_png


@pytest.fixture
def picture(tmp_path: Path, source: bytes) -> Path:
    path = tmp_path / "source.png"
    path.write_bytes(source)
    return path


def generate(task: str, picture: Path, model: Path, out: Path, *more: str) -> int:
    common = ["--image", str(picture), "--model", str(model), "--device", "cpu"]
    return main(["generate", task, *common, "--out", str(out), *more])


def test_a_task_of_several_rounds(
    models: dict[str, Path], picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--prompt", "fog", "--times", "2", "--strength", "0.5", "--steps", "4", "--json"]
    assert generate("loopback", picture, models["sd"], tmp_path / "out", *more) == 0
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert line["steps_run"] == 2 + 1
    assert (line["width"], line["height"]) == (64, 64)


def test_a_second_picture_and_no_prompt(
    models: dict[str, Path], picture: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (40, 90), "red").save(other)
    more = ["--second", str(other), "--balance", "1", "--strength", "0"]
    assert generate("blend", picture, models["sd"], tmp_path / "out", *more) == 0
    assert open_png((tmp_path / "out" / "0.png").read_bytes()).getpixel((32, 32)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("task", "more", "sentence"),
    [
        (
            "img2img",
            ["--factor", "2"],
            "The task “img2img” has no option “factor”; it has none of its own.",
        ),
        (
            "blend",
            ["--times", "2"],
            "The task “blend” has no option “times”; it has: balance.",
        ),
        ("upscale", ["--factor", "3"], "Factor “3” is not one of: 2, 4."),
        ("blend", [], "The task “blend” needs a second picture: the other picture."),
    ],
)
def test_what_makes_no_sense_together_is_one_sentence(  # noqa: PLR0917  (fixtures)
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    task: str,
    more: list[str],
    sentence: str,
) -> None:
    prompt = ["--prompt", "fog"]
    common = ["--image", str(picture), "--out", str(tmp_path)]
    assert main(["generate", task, *common, *prompt, *more]) != 0
    assert capsys.readouterr().err == f"python -m inference: {sentence}\n"


def test_a_model_without_an_adapter_is_refused_before_it_is_loaded(
    models: dict[str, Path], picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(models["sd"], tmp_path / "unloadable")
    for weights in (model / "unet").glob("*.safetensors"):
        weights.write_bytes(b"")
    more = ["--prompt", "fog", "--second", str(picture)]
    assert generate("style", picture, model, tmp_path / "out", *more) != 0
    assert "“unloadable” has none beside it" in capsys.readouterr().err


def test_a_jobs_file_names_both_pictures(
    models: dict[str, Path], picture: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "other.png")
    jobs = [
        {"id": "blend", "task": "blend", "image": "source.png", "second": "other.png"},
        {"id": "loop", "task": "loopback", "image": "source.png", "prompt": "fog", "times": 2},
        {"id": "wrong", "task": "loopback", "image": "source.png", "prompt": "fog", "times": 9},
    ]
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(json.dumps(job | {"steps": 2}) + "\n" for job in jobs))
    out = tmp_path / "out"
    common = ["--model", str(models["sd"]), "--device", "cpu", "--out", str(out)]
    assert main(["batch", str(file), *common]) == 1
    lines = {
        line["id"]: line
        for line in map(json.loads, (out / "results.jsonl").read_text().split("\n")[:-1])
    }
    assert lines["wrong"]["error"] == "Times 9 is outside 2 to 8; the nearest allowed value is 8."
    assert (out / "blend" / "0.png").exists() and (out / "loop" / "0.png").exists()
