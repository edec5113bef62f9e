"""`python -m inference` as a person calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inference.__main__ import main
from tests.integration.inference.traffic import open_png, pixels


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory, source: bytes) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.png"
    path.write_bytes(source)
    return path


def generate(picture: Path, model: Path, out: Path, *more: str) -> list[str]:
    required = ["--image", picture, "--prompt", "a pier", "--model", model, "--out", out]
    return ["generate", "img2img", *map(str, required), "--device", "cpu", *more]


@pytest.fixture
def arguments(models: dict[str, Path], picture: Path, tmp_path: Path) -> list[str]:
    return generate(picture, models["sd"], tmp_path, "--steps", "1")


def test_generate_prints_one_object_for_each_picture(
    models: dict[str, Path], picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "--strength 0.5 --steps 6 --guidance 3 --seed 11 --count 2 --scheduler euler --json"
    out = tmp_path / "new" / "folder"
    assert main(generate(picture, models["sd"], out, *more.split())) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [line.pop("seconds") >= 0 for line in lines] == [True, True]
    assert lines == [
        {
            "path": str(out / f"{index}.png"),
            "seed": 11 + index,
            "width": 64,
            "height": 64,
            "steps_run": 3,
        }
        for index in (0, 1)
    ]
    assert "/6 [" in printed.err  # the progress bar
    assert open_png((out / "1.png").read_bytes()).size == (64, 64)


def test_the_same_seed_gives_the_same_bytes(
    models: dict[str, Path], picture: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        more = ["--seed", "3", "--steps", "4", "--size", "72x64"]
        assert main(generate(picture, models["sdxl"], tmp_path / name, *more)) == 0
    first, second = ((tmp_path / name / "0.png").read_bytes() for name in ("a", "b"))
    assert first == second
    assert open_png(first).size == (72, 64)


def test_strength_0_gives_the_source_back(
    models: dict[str, Path], picture: Path, tmp_path: Path
) -> None:
    assert main(generate(picture, models["sd"], tmp_path, "--strength", "0")) == 0
    assert (pixels((tmp_path / "0.png").read_bytes()) == pixels(picture.read_bytes())).all()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--strength", "1.5"], "Strength 1.5 is outside 0 to 1; the nearest allowed value is 1."),
        (["--steps", "0"], "Steps 0 is outside 1 to 150; the nearest allowed value is 1."),
        (["--steps", "many"], "argument --steps: invalid int value: 'many'."),
        (["--size", "100x64"], "The width 100 is not a multiple of 8"),
        (["--size", "large"], "“large” is not of the form"),
        (["--scheduler", "heun"], "“heun” is not one of: ddim"),
        (["--image", "nowhere.png"], "nowhere.png cannot be read"),
        (["--image", __file__], "test_command_line.py: "),
        (["--model", "nothing-like-it"], "There is no model “nothing-like-it”"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate."),
    ],
)
def test_wrong_usage_is_status_2_and_one_sentence(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    sentence: str,
) -> None:
    try:
        status = main([*arguments, *more])
    except SystemExit as end:
        status = int(str(end.code))
    printed = capsys.readouterr()
    assert status == 2
    assert printed.out == ""
    assert sentence in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "/nowhere/at/all"], "/nowhere/at/all does not exist"),
        (["--device", "cuda:99"], "There is no device “cuda:99”"),
        (["--out", __file__], "test_command_line.py"),
    ],
)
def test_failure_is_status_1_and_one_sentence(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    sentence: str,
) -> None:
    assert main([*arguments, *more]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert sentence in last


def test_nothing_of_torch_is_loaded_to_refuse_a_request(picture: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from inference.__main__ import main\n"
        "status = main(sys.argv[1:]); sys.exit(9 if 'torch' in sys.modules else status)"
    )
    arguments = generate(picture, Path("pocket"), tmp_path, "--strength", "7")
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False)
    assert done.returncode == 2
