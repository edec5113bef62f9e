"""The measures measure what they say, and the table is made of what is there."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inference.families.pix2pix import Generator, Pix2PixConfig, save_generator
from inference.training.classifier import Classifier, save_judge
from inference.training.commands import quality
from inference.training.examinations import labels_of
from inference.training.quality.bench import seeds
from inference.training.quality.findings import Finding, absent, percent, table
from inference.training.quality.measures import (
    distance,
    edge_sharpness,
    hole_psnr,
    luminance_error,
    psnr,
    ridge_displacement,
    rising,
    share,
)
from inference.training.quality.prompted import even, prompt_for
from inference.training.quality.studio import Studio
from inference.training.rendering import LABELS
from inference.training.scenes import picture_of
from inference.training.spoiling import grey, halved
from inference.training.styles import STYLES
from tests import tiny, tiny_pipelines
from tests.tiny_image_adapters import image_adapter

Pixels = NDArray[np.uint8]


def flat(value: int, size: int = 16) -> Pixels:
    return np.full((size, size, 3), value, np.uint8)


def test_psnr_of_a_known_error() -> None:
    assert psnr(flat(10), flat(10)) == float("inf")
    assert psnr(flat(0), flat(255)) == 0
    assert psnr(flat(100), flat(110)) == pytest.approx(20 * np.log10(255 / 10))


def test_luminance_is_blind_to_colour() -> None:
    picture = picture_of(3, (48, 48))
    assert luminance_error(grey(picture), picture) < 0.5
    assert luminance_error(flat(10), flat(30)) == pytest.approx(20, abs=1e-4)


def test_distance_is_a_mean() -> None:
    half = flat(0)
    half[:8] = 100
    assert distance(half, flat(0)) == 50


def test_what_is_blurred_is_less_sharp() -> None:
    truth = picture_of(5, (96, 96))
    assert edge_sharpness(truth, truth) == pytest.approx(1)
    once, twice = halved(truth), halved(halved(halved(truth)))
    assert 1 > edge_sharpness(once, truth) > edge_sharpness(twice, truth) > 0
    assert edge_sharpness(flat(7, 96), truth) == 0


def test_a_ridge_that_moved_by_two_rows_of_eight() -> None:
    labels = np.full((8, 4), LABELS["far"], np.uint8)
    labels[:4] = LABELS["sky"]
    labels[2:, 3] = LABELS["subject"]
    assert ridge_displacement(np.full(4, 0.5), labels) == 0
    assert ridge_displacement(np.array([0.75, 0.75, 0.25, 0.9]), labels) == pytest.approx(0.25)
    assert ridge_displacement(np.zeros(4), np.full((8, 4), LABELS["sky"], np.uint8)) is None
    # What a real scene's own map says of itself.
    truth = labels_of(4)
    line = (truth == LABELS["sky"]).mean(axis=0)
    assert ridge_displacement(line, truth) == pytest.approx(0)


def test_only_the_hole_counts() -> None:
    truth, made = flat(50), flat(50)
    made[:4] = 60
    hole = np.zeros((16, 16), bool)
    hole[8:] = True
    assert hole_psnr(made, truth, hole) == float("inf")
    assert hole_psnr(made, truth, ~hole) < 40


def test_small_ones() -> None:
    assert rising([0, 1, 2])
    assert not rising([0, 1, 1])
    assert share(["a", "b", "c", "d"], ["a", "b", "x", "d"]) == 0.75
    assert percent(0.5) == "50 %"
    assert percent(0.9876) == "98.8 %"


def test_names_are_spread_evenly() -> None:
    drawn = even(tuple(STYLES), 25, np.random.default_rng(0))
    counts = [drawn.count(name) for name in STYLES]
    assert len(drawn) == 25
    assert max(counts) - min(counts) == 1
    assert prompt_for("oil", "cup", "night") == "an oil painting of a cup at night"
    assert prompt_for("ink") == "an ink drawing"


def test_no_two_parts_measure_with_the_same_scenes() -> None:
    drawn = [seed for part in range(12) for seed in seeds(part, 900)]
    assert len(set(drawn)) == len(drawn)
    assert min(drawn) >= 1_000_000


def test_the_table() -> None:
    lines = table(
        [
            Finding(what="a", measure="b", found="3", aim="≥ 2", met=True),
            absent("c", "d", "≥ 1"),
        ]
    ).splitlines()
    assert lines[2:] == ["| a | b | 3 | ≥ 2 | yes |", "| c | d | not trained | ≥ 1 |  |"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    torch.manual_seed(0)
    tiny.sd(folder / "pocket")
    for task in ("color", "sketch"):
        colour = task == "color"
        config = Pix2PixConfig(task=task, luma_in=colour, chroma_out=colour, channels=(8, 8, 8))
        save_generator(Generator(config), folder / task, task)
        (folder / task / "game.json").write_text('{"accuracy": 0.6}')
    return folder


def test_a_studio_paints_as_users_do(models: Path) -> None:
    studio = Studio({"color": str(models / "color"), "none": str(models / "none")}, "cpu")
    assert studio.has("color")
    assert not studio.has("none")
    sources = [picture_of(seed, (96, 64)) for seed in (1, 2)]
    made = studio.paint("color", [studio.request("color", "", one) for one in sources])
    for one, source in zip(made, sources, strict=True):
        assert one.shape == source.shape
        assert luminance_error(one, source) < 0.5


def measured(models: Path, out: Path, judge: Path, edit: str) -> list[Finding]:
    """What the whole table says of them."""
    parser = argparse.ArgumentParser()
    quality.add_arguments(parser)
    roles = {"pocket": "pocket", "color": "color", "sketch": "sketch", "edit": edit}
    given = {"count": "1", "side": "64", "device": "cpu", "out": str(out), "judge": str(judge)}
    given |= {role: str(models / name) for role, name in roles.items()}
    args = parser.parse_args([word for k, v in given.items() for word in (f"--{k}", v)])
    quality.run(args)
    return [Finding(**one) for one in json.loads((out / "findings.json").read_text())]


def test_every_part_has_something_to_say(models: Path, tmp_path: Path) -> None:
    found = measured(models, tmp_path, tmp_path, "nowhere")
    by_what = {one.what: one for one in found}
    assert len(by_what) == 13
    assert by_what["denoise"].found == "not trained"
    assert by_what["prompt adherence, words alone"].found == "the judge is not trained"
    game = [one for one in found if one.what == "GAN game"]
    assert [one.met for one in game] == [True, True]
    luminance = [one for one in found if one.measure.startswith("luminance, color")]
    assert luminance
    assert all(one.met for one in luminance)
    assert (tmp_path / "table.md").read_text().count("\n") == len(found) + 2
    assert {"adherence.png", "strength.png", "restyled.png"} <= {p.name for p in tmp_path.iterdir()}


def test_with_every_model_and_a_judge_nothing_is_left_unsaid(models: Path, tmp_path: Path) -> None:
    tiny_pipelines.instruct_pix2pix(models / "edit")
    image_adapter(models / "pocket" / "ip_adapter", models / "pocket")
    save_judge(Classifier(), tmp_path / "judge", {})
    found = measured(models, tmp_path, tmp_path / "judge", "edit")
    assert not [one for one in found if one.found in ("not trained", "the judge is not trained")]
    outside = [one for one in found if one.measure.startswith("largest difference outside, pocket")]
    assert [(one.found, one.met) for one in outside] == [("0", True)]
    sheets = {p.stem for p in tmp_path.glob("*.png")}
    assert {"styled", "sketch-edit", "inpaint-edit", "inpaint-pocket", "denoise-25"} <= sheets
