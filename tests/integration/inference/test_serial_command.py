"""`python -m inference` with a model that runs through its own pipeline, and with `--vae`."""

import json
from pathlib import Path

import pytest

from inference.__main__ import main
from tests import tiny, tiny_pipelines
from tests.integration.inference.traffic import open_png, pixels


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, source: bytes) -> Path:
    root = tmp_path_factory.mktemp("models")
    tiny_pipelines.instruct_pix2pix(root / "pix2pix")
    tiny.sd(root / "sd")
    tiny_pipelines.taesd(root / "taesd")
    tiny_pipelines.taesd(root / "wide", channels=8)
    (root / "source.png").write_bytes(source)
    return root


def generate(root: Path, model: str, out: Path, *more: str) -> list[str]:
    required = [
        "--image",
        root / "source.png",
        "--prompt",
        "make it night",
        "--model",
        root / model,
    ]
    options = ["--steps", "3", "--seed", "5", "--device", "cpu", "--out", out]
    return ["generate", "img2img", *map(str, [*required, *options]), *more]


def test_generate_with_progress_and_notes(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(generate(root, "pix2pix", tmp_path, "--count", "2", "--json")) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [line.pop("seconds") >= 0 for line in lines] == [True, True]
    notes = ["StableDiffusionInstructPix2Pix has no strength; 0.6 did nothing."]
    assert lines == [
        {
            "path": str(tmp_path / f"{index}.png"),
            "seed": 5 + index,
            "width": 64,
            "height": 64,
            "steps_run": 3,
            "notes": notes,
        }
        for index in (0, 1)
    ]
    assert "/6 [" in printed.err  # the progress bar
    assert open_png((tmp_path / "1.png").read_bytes()).size == (64, 64)


def test_what_the_model_cannot_do_is_status_2_and_one_sentence(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(generate(root, "pix2pix", tmp_path, "--strength", "0.3")) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "edits as the prompt says and has no strength such as 0.3; leave it out" in last
    assert not (tmp_path / "0.png").exists()


def test_another_vae_for_one_request(root: Path, tmp_path: Path) -> None:
    pictures = {}
    for name, more in {"own": (), "taesd": ("--vae", str(root / "taesd"))}.items():
        assert main(generate(root, "sd", tmp_path / name, *more)) == 0
        pictures[name] = pixels((tmp_path / name / "0.png").read_bytes())
    assert (pictures["own"] != pictures["taesd"]).any()


def test_a_vae_that_does_not_fit_is_status_1_and_names_both(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(generate(root, "sd", tmp_path, "--vae", str(root / "wide"))) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"{root / 'wide'} does not fit the model {root / 'sd'}: " in last


def test_a_batch_runs_one_after_the_other_with_another_vae(root: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.jsonl"
    shared = {"image": str(root / "source.png"), "prompt": "make it night", "steps": 2, "seed": 1}
    lines = [
        {"id": "one"},
        {"id": "weak", "strength": 0.2},
        {"id": "two", "strength": 1, "seed": 2},
    ]
    jobs.write_text("\n".join(json.dumps(shared | line) for line in lines))
    arguments = ["batch", jobs, "--model", root / "pix2pix", "--vae", root / "taesd"]
    assert main([*map(str, arguments), "--device", "cpu", "--out", str(tmp_path)]) == 1
    results = {
        line["id"]: line
        for line in map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    }
    assert "has no strength such as 0.2" in results["weak"]["error"]
    assert results["one"]["steps_run"] == results["two"]["steps_run"] == 2
    assert results["one"]["finished"] <= results["two"]["started"]
    alone = ["--vae", str(root / "taesd"), "--steps", "2", "--seed", "2", "--strength", "1"]
    assert main(generate(root, "pix2pix", tmp_path / "alone", *alone)) == 0
    two = (tmp_path / "two" / "0.png").read_bytes()
    assert (pixels(two) == pixels((tmp_path / "alone" / "0.png").read_bytes())).all()
