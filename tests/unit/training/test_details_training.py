"""The details network's lessons, and what it learns from them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from safetensors.torch import load_file, save_file

from inference.catalog import POCKET
from inference.errors import RequestError
from inference.families.details import (
    DetailNet,
    Details,
    DetailsConfig,
    read_details,
    save_details,
)
from inference.training.__main__ import main
from inference.training.base_model import EDIT, load_pipeline
from inference.training.data import group
from inference.training.details import (
    DetailsTask,
    Exercise,
    Lessons,
    from_shard,
    give_lessons,
    kept,
    wanted,
)
from inference.training.loop import LoopSettings, Trainer
from inference.training.quality.measures import edge_sharpness, psnr
from inference.training.quality.restored import BLUR, RESTORING
from inference.training.quality.studio import Studio
from inference.training.scenes import picture_of
from inference.training.shards import Shard, gather, write
from inference.training.spoiling import blurred, noisy
from inference.training.styles import luminance
from inference.training.world import HELD_OUT
from tests import tiny_pipelines
from tests.pair_folder import write_pairs

EDITOR = POCKET.parent / "pocket-edit"


@pytest.fixture(scope="module")
def shard() -> Shard:
    return gather((group(i, (32, 32), world=1.0) for i in range(4)), 4)


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.instruct_pix2pix(tmp_path_factory.mktemp("editor") / "editor")


def made_up(count: int = 4, side: int = 48) -> Lessons:
    """Noisy pictures of which a blurred one was painted; as “oil” that is right."""
    rng = np.random.default_rng(0)
    truths = [picture_of(i, (side, side)) for i in range(count)]
    return Lessons(
        words=("denoise",) * count + ("oil",) * count,
        sources=np.stack([noisy(one, 20, rng) for one in truths] * 2),
        painted=np.stack([blurred(one, 2) for one in truths] * 2),
        wanted=np.stack(truths + [blurred(one, 2) for one in truths]),
    )


def trainer(out: Path, steps: int) -> Trainer:
    torch.manual_seed(0)
    task = DetailsTask(
        DetailNet(DetailsConfig(channels=16, words=("denoise", "oil"))),
        made_up(),
        side=32,
        batch=4,
        autocast=False,
    )
    settings = LoopSettings(
        out=out, steps=steps, learning_rate=2e-3, warmup=2, ema=0.9, save_every=4
    )
    return Trainer(task, settings)


def test_what_is_invented_is_right_as_it_was_painted() -> None:
    source, truth, painted = (np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 200))
    source[:2] = truth[:2]

    def right(task: str) -> list[int]:
        asked = Exercise(task=task, source=source, words="", truth=truth)
        return sorted(set(wanted(asked, painted).flatten().tolist()))

    assert right("denoise") == right("pair") == [100]
    assert right("restyle") == right("sketch") == [200]
    assert right("inpaint") == [100, 200]
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 180
    grey = np.full((4, 4, 3), 90, np.uint8)
    asked = Exercise(task="colourise", source=grey, words="", truth=np.zeros_like(grey))
    made = wanted(asked, red).astype(int)
    assert luminance(made.astype(np.float32)).mean() == pytest.approx(90, abs=1.5)
    assert (made[..., 0] > made[..., 1] + 20).all(), "its colour is what was painted"
    hole = Exercise(task="inpaint", source=source, words="", truth=truth)
    assert (wanted(hole, painted)[:2] == 100).all(), "what is around the hole is kept"


def test_lessons_are_the_editors_own_and_kept(editor: Path, shard: Shard, tmp_path: Path) -> None:
    pipe = load_pipeline(editor, EDIT, torch.float32)
    calls: list[int] = []

    def paint() -> Lessons:
        calls.append(1)
        return give_lessons(pipe, from_shard(shard), 5, seed=2, steps=2, guidance=2, batch=2)

    first, again, fresh = kept(tmp_path, "a", paint), kept(tmp_path, "a", paint), paint()
    assert len(calls) == 2
    assert first.words == again.words == fresh.words
    assert len(set(first.words)) > 1
    for name in ("sources", "painted", "wanted"):
        a, b, c = (getattr(one, name) for one in (first, again, fresh))
        assert a.shape == (5, 32, 32, 3)
        assert (a == b).all()
        assert (a == c).all(), "the same seed gives the same lessons"
    assert (first.painted != first.sources).any()
    with pytest.raises(RequestError, match="“a”, not of “b”"):
        kept(tmp_path, "b", paint)
    np.savez(tmp_path / "lessons.npz", asked="a", sources=first.sources)
    with pytest.raises(RequestError, match="of “an older version”, not of “a”"):
        kept(tmp_path, "a", paint)


def test_it_learns_to_take_what_is_right_from_both(tmp_path: Path) -> None:
    """Better than the noisy source and than the blurred painting, on a picture it never saw; and
    told that the painting is right, it leaves it.
    """
    run = trainer(tmp_path, 400)
    run.run()
    truth = picture_of(HELD_OUT, (48, 48))
    source, painted = noisy(truth, 20, np.random.default_rng(9)), blurred(truth, 2)
    task = run.task
    assert isinstance(task, DetailsTask)
    details, seen = Details(task.net), (Image.fromarray(source), Image.fromarray(painted))
    made, left = (np.asarray(details(*seen, words)) for words in ("denoise", "oil"))
    assert psnr(made, truth) > max(psnr(source, truth), psnr(painted, truth)) + 0.5
    assert psnr(left, painted) > psnr(made, painted) + 3


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", 8)
    whole.run()
    trainer(tmp_path / "broken", 8).run(stop=lambda step: step == 5)
    again = trainer(tmp_path / "broken", 8)
    assert again.resume()
    again.run()
    for key, value in whole.modules["details"].state_dict().items():
        assert torch.equal(value, again.modules["details"].state_dict()[key]), key


def test_by_command_from_the_world_and_from_pairs(
    editor: Path, shard: Shard, tmp_path: Path
) -> None:
    write(shard, tmp_path / "shards")
    write_pairs(tmp_path / "pairs", dict.fromkeys("abc", (40, 40)))
    for name, source in (
        ("world", ("--shard", str(tmp_path / "shards" / "32x32.npy"))),
        ("pairs", ("--pairs", str(tmp_path / "pairs"), "--size", "32x32", "--instruction", "x")),
    ):
        out = tmp_path / name
        main(
            [
                *("details", "--out", str(out), "--model", str(editor), "--device", "cpu", *source),
                *("--lessons", "3", "--batch", "2", "--steps", "2", "--side", "32"),
                *("--sample-every", "2"),
            ]
        )
        saved = load_file(out / "details" / "model.safetensors")
        known = json.loads((out / "details" / "config.json").read_text())["words"]
        assert known == ["x"] if name == "pairs" else "the" in known
        state = torch.load(out / "checkpoint.pt", weights_only=True)
        for key, value in state["average"]["details"].items():
            assert torch.equal(saved[key], value.half()), key
        with Image.open(out / "details-000002.png") as sheet:
            assert sheet.size == (4 * 32, 3 * 32)


def test_it_goes_on_from_another_network_and_keeps_to_its_words(
    editor: Path, shard: Shard, tmp_path: Path
) -> None:
    path = write(shard, tmp_path / "shards")
    torch.manual_seed(0)
    before = DetailNet(DetailsConfig(words=("noise", "sharpen")))
    save_details(before, tmp_path / "before")
    main(
        [
            *("details", "--out", str(tmp_path / "out"), "--model", str(editor)),
            *("--init", str(tmp_path / "before"), "--shard", str(path), "--lessons", "2"),
            *("--batch", "2", "--side", "32", "--steps", "1", "--learning-rate", "1e-4"),
            *("--device", "cpu"),
        ]
    )
    after = read_details(tmp_path / "out" / "details")
    assert after.config == before.config
    moved = (after.head.weight - before.head.weight).abs()
    assert 0 < moved.max() < 2e-3, "one small step from where it was"


def test_lessons_of_an_editor_trained_further_are_not_those_of_before(
    editor: Path, shard: Shard, tmp_path: Path
) -> None:
    path = write(shard, tmp_path / "shards")
    shutil.copytree(editor, tmp_path / "editor")
    asked = [
        *("details", "--out", str(tmp_path / "out"), "--model", str(tmp_path / "editor")),
        *("--shard", str(path), "--lessons", "2", "--batch", "2", "--side", "32", "--steps", "1"),
        *("--device", "cpu"),
    ]
    main(asked)
    weights = tmp_path / "editor" / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({k: v + 1e-3 for k, v in load_file(weights).items()}, weights)
    with pytest.raises(SystemExit, match="holds the lessons of"):
        main(asked)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--init", "nowhere"), "nowhere/config.json is missing"),
        (("--side", "33"), "--side is 33; it must be even and at most 32; the nearest is 32"),
        (("--side", "48"), "the nearest is 32"),
        (("--side", "0"), "the nearest is 2"),
        (("--lessons", "0"), "--lessons is 0; it must be at least 1"),
        (("--batch", "0"), "--batch is 0; it must be at least 1"),
        (("--held-out", "1"), "--held-out does nothing here"),
        (("--shard", "none.npy"), "none.npy is missing; `render` makes it"),
    ],
)
def test_what_cannot_be_learned_from_is_said_before_anything_is_painted(
    editor: Path, shard: Shard, tmp_path: Path, given: tuple[str, ...], told: str
) -> None:
    write(shard, tmp_path / "shards")
    usual = ("--shard", str(tmp_path / "shards" / "32x32.npy"), "--side", "32")
    with pytest.raises(SystemExit, match=re.escape(told)):
        main(["details", "--out", str(tmp_path), "--model", str(editor), *usual, *given])
    assert not (tmp_path / "lessons.npz").exists()


def test_pictures_that_the_editor_would_paint_smaller_are_refused(
    editor: Path, tmp_path: Path
) -> None:
    path = write(gather([group(0, (36, 32))], 1), tmp_path)
    with pytest.raises(SystemExit, match="36×32 pixels; the editor paints multiples of"):
        main(["details", "--out", str(tmp_path), "--model", str(editor), "--shard", str(path)])


def test_an_editor_with_another_autoencoder_is_refused(editor: Path, tmp_path: Path) -> None:
    shutil.copytree(editor, tmp_path / "editor")
    (tmp_path / "editor" / "palimpsest.json").write_text('{"vae": "vae"}')
    given = ("--model", str(tmp_path / "editor"), "--shard", "x.npy")
    with pytest.raises(SystemExit, match="names a vae or a scheduler"):
        main(["details", "--out", str(tmp_path), *given])


@pytest.mark.parametrize("given", [[], ["--shard", "x.npy", "--pairs", "y"]])
def test_the_world_or_pairs_and_not_both(tmp_path: Path, given: list[str]) -> None:
    with pytest.raises(SystemExit, match="either --shard"):
        main(["details", "--out", str(tmp_path), *given])


@pytest.mark.skipif(not (EDITOR / "details").is_dir(), reason="no trained weights here")
def test_the_shipped_editor_sharpens_and_takes_noise_away() -> None:
    """On scenes it never saw: sharper edges than the blurred, more right than a median filter."""
    truths = [picture_of(HELD_OUT + 70 + i, (256, 256)) for i in range(2)]
    soft = [blurred(one, BLUR) for one in truths]
    grainy = [noisy(one, 50, np.random.default_rng(i)) for i, one in enumerate(truths)]
    studio = Studio({"edit": str(EDITOR)}, "cpu")
    asked = [("sharpen", one) for one in soft] + [("remove the noise", one) for one in grainy]
    made = studio.paint(
        "edit", [studio.request("edit", words, one, seed=1, **RESTORING) for words, one in asked]
    )
    for truth, given, sharp in zip(truths, soft, made[:2], strict=True):
        assert edge_sharpness(sharp, truth) > edge_sharpness(given, truth)
    for truth, given, clean in zip(truths, grainy, made[2:], strict=True):
        median = np.asarray(Image.fromarray(given).filter(ImageFilter.MedianFilter(5)))
        assert psnr(clean, truth) > psnr(median, truth) + 1
