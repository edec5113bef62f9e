"""The game: it is played, it is resumed bit for bit, and what is kept back is kept back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference.families.pix2pix import Generator, Pix2PixConfig
from inference.training.adversary import Discriminator, patch_accuracy
from inference.training.gan import GanTask, GanTrainer, difference
from inference.training.gan_data import FolderPairs, GreyPairs
from inference.training.loop import LoopSettings
from inference.training.pairs import check
from inference.training.photographs import Photograph
from inference.training.scenes import Scenery, natural_crop, picture_of, pile
from inference.training.sheets import sheet
from inference.training.sketch_pairs import SketchPairs, fair_picture
from inference.training.spoiling import grey
from tests.pair_folder import slope, write_pairs

TINY = (8, 16, 16)


def scenery() -> Scenery:
    small = np.stack([picture_of(seed, (32, 32)) for seed in range(4)])
    large = np.stack([picture_of(seed, (64, 64)) for seed in range(4, 6)])
    photo = Photograph("a slope", 1.0, slope(3, (50, 40)))
    return Scenery([small, large], [photo])


def game(task: str = "colorize") -> GanTask:
    torch.manual_seed(0)
    colour = task == "colorize"
    config = Pix2PixConfig(task=task, luma_in=colour, chroma_out=colour, channels=TINY)
    usual = np.stack([fair_picture(seed, (48, 48)) for seed in range(4)])
    own = np.stack([fair_picture(seed, (32, 32), usual=False) for seed in range(4, 6)])
    pairs = (
        GreyPairs(scenery(), side=32, watched=3)
        if colour
        else SketchPairs(scenery(), usual, own, side=32, watched=3)
    )
    return GanTask(Generator(config), Discriminator((8, 8)), pairs, batch=4, autocast=False)


def trainer(out: Path, steps: int, task: str = "colorize") -> GanTrainer:
    return GanTrainer(
        game(task),
        LoopSettings(
            out=out, steps=steps, learning_rate=4e-3, warmup=2, ema=0.9, save_every=5,
            sample_every=1000,
        ),
    )  # fmt: skip


def test_the_error_on_held_out_pairs_falls(tmp_path: Path) -> None:
    run = trainer(tmp_path, 40)
    before = run.game.contest()
    run.run()
    after = run.game.contest()
    assert after["error"] < 0.85 * before["error"]
    assert 0 <= after["accuracy"] <= 1


def test_both_players_learn(tmp_path: Path) -> None:
    run = trainer(tmp_path, 3, "sketch")
    before = {
        name: [p.detach().clone() for p in module.parameters()]
        for name, module in run.modules.items()
    }
    run.run()
    for name, module in run.modules.items():
        moved = [
            not torch.equal(a, b) for a, b in zip(before[name], module.parameters(), strict=True)
        ]
        assert all(moved), name


def test_a_discriminator_alone_learns_to_tell(tmp_path: Path) -> None:
    """With a generator that stands still the game is an ordinary classifier's."""
    run = trainer(tmp_path, 1)
    optimizer = torch.optim.Adam(run.game.discriminator.parameters(), 1e-2)
    for step in range(40):
        inputs, outputs = run.game.draw(torch.Generator().manual_seed(step))
        made = run.game.made(inputs).detach()
        loss, _ = run.game.opponent_loss(inputs, outputs, made)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert run.game.contest()["accuracy"] > 0.7


def test_an_interrupted_game_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", 9)
    whole.run()
    trainer(tmp_path / "broken", 9).run(stop=lambda step: step == 4)
    again = trainer(tmp_path / "broken", 9)
    assert again.resume()
    assert again.step == 4
    again.run()
    ours, theirs = whole.state(), again.state()
    for part in ("modules", "average"):
        for name, weights in ours[part].items():
            for key, value in weights.items():
                assert torch.equal(value, theirs[part][name][key]), (part, name, key)
    for part in ("optimizer", "opponent"):
        for key, values in ours[part]["state"].items():
            for what, value in values.items():
                assert torch.equal(value, theirs[part]["state"][key][what]), (part, key, what)


def test_the_sheets_are_written(tmp_path: Path) -> None:
    run = trainer(tmp_path, 2)
    run.game.watch = [("photos", np.stack([grey(np.asarray(slope(1, (64, 32))))]))]
    run.game.sample(tmp_path, 7)
    for name, size in (("pairs", (2 * 3 * 32, 2 * 32)), ("photos", (2 * 64, 32))):
        with Image.open(tmp_path / f"{name}-000007.png") as made:
            assert made.size == size


def test_a_sheet_has_room_for_an_odd_number() -> None:
    column = np.zeros((3, 4, 5, 3), np.uint8)
    made = np.asarray(sheet([column, column], 2))
    assert made.shape == (8, 20, 3)
    assert made[4:, 10:].min() == 255
    assert made[:, :10].max() == 0


def test_the_colour_of_a_whole_thing_counts_most() -> None:
    truth = torch.zeros(1, 3, 32, 32)
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    grain = (1 - 2.0 * ((rows + columns) % 2)).expand_as(truth)
    for error in (0.25, 0.5):
        tint = torch.full_like(truth, error)
        assert difference(error * grain, truth).item() == pytest.approx(error)
        assert difference(tint, truth).item() == pytest.approx(error + 2 * error**2 / 0.25)
    assert difference(truth, truth).item() == 0


def test_accuracy_counts_both_sides_alike() -> None:
    real, fake = torch.tensor([1.0, -1.0]), torch.tensor([-1.0, -2.0, -3.0, 1.0])
    assert patch_accuracy(real, fake) == 0.5 * (0.5 + 0.75)


def test_the_input_of_a_colour_picture_is_its_luma() -> None:
    picture = np.asarray(slope(2, (20, 10)))
    made = grey(picture)
    assert np.array_equal(made[..., 0], made[..., 2])
    assert np.abs(made[..., 0] - picture @ np.array([0.299, 0.587, 0.114])).max() <= 0.51


def test_training_never_sees_a_held_out_scene() -> None:
    pairs = GreyPairs(scenery(), side=32, watched=2)
    _, held = pairs.held_out()
    _, outputs = pairs.batch(60, np.random.default_rng(0))
    assert all(not np.array_equal(a, b) for a in held for b in outputs)


def test_a_pile_is_rendered_once(tmp_path: Path) -> None:
    first = pile(tmp_path, range(5, 8), 16)
    (kept,) = tmp_path.iterdir()
    made = kept.stat().st_mtime_ns
    again = pile(tmp_path, range(5, 8), 16)
    assert kept.stat().st_mtime_ns == made
    assert np.array_equal(first, again)
    assert np.array_equal(again[1], picture_of(6, (16, 16)))


def test_crops_of_photographs_keep_their_colours() -> None:
    photo = Photograph("red", 1.0, Image.new("RGB", (30, 90), (200, 10, 30)))
    for seed in range(8):
        part = natural_crop(photo, 16, np.random.default_rng(seed))
        assert part.shape == (16, 16, 3)
        assert np.unique(part.reshape(-1, 3), axis=0).tolist() == [[200, 10, 30]]


def test_an_owner_s_pairs_are_kept_together_and_some_are_kept_back(tmp_path: Path) -> None:
    for kind, start in (("input", 100), ("output", 0)):
        (tmp_path / kind).mkdir()
        for n in range(12):
            Image.new("RGB", (40, 36), (start + n, 0, 0)).save(tmp_path / kind / f"{n}.png")
    pairs = FolderPairs(check(tmp_path, (32, 32), instruction=""), side=32)
    _, held = pairs.held_out()
    assert held.shape == (1, 32, 32, 3)
    inputs, outputs = pairs.batch(200, np.random.default_rng(1))
    assert np.array_equal(inputs[..., 0], outputs[..., 0] + 100)
    seen = {int(one[0, 0, 0]) for one in outputs}
    assert seen == set(range(12)) - {int(held[0, 0, 0, 0])}


def test_one_pair_is_not_enough(tmp_path: Path) -> None:
    found = check(write_pairs(tmp_path, {"a": (40, 40)}), (32, 32), instruction="")
    with pytest.raises(ValueError, match="one pair"):
        FolderPairs(found, side=32)
