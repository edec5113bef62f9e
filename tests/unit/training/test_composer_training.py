"""The composer learns from photographs of one thing, and goes on where it was stopped."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from inference.catalog import POCKET
from inference.errors import RequestError
from inference.families.composer import ComposerConfig, ComposerNet, load_composer, save_composer
from inference.training.__main__ import main
from inference.training.composer import ComposerTask
from inference.training.data import Facts, composition, group
from inference.training.loop import LoopSettings, Trainer
from inference.training.pocket import Latents
from inference.training.rendering import label_map
from inference.training.shards import gather, read, write
from inference.training.subjects import SUBJECTS
from inference.training.world import close_up, scene
from tests import tiny

FACTS = tuple(
    Facts(style=style, subject=subject, box=(0.25, 0.25, 0.75, 0.75))
    for subject in ("boat", "castle")
    for style in ("photo", "ink")
)


def latents() -> Latents:
    """A boat is bright and a castle is dark; what is not a photograph is far off."""
    values = torch.full((4, 4, 8, 8), 50.0)
    values[0], values[2] = 1.0, -1.0
    return Latents(values.half(), FACTS, 2, 8, 1.0)


def trainer(out: Path, steps: int) -> Trainer:
    torch.manual_seed(0)
    config = ComposerConfig(channels=(32, 32), width=16, latent_channels=4, area=64, steps=8)
    # Pocket's own: an untrained encoder hears no word at the end of a text.
    tokenizer = CLIPTokenizer.from_pretrained(POCKET / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(POCKET / "text_encoder")
    task = ComposerTask(ComposerNet(config), encoder, tokenizer, [latents()], autocast=False)
    settings = LoopSettings(
        out=out, steps=steps, learning_rate=5e-3, warmup=2, ema=0.9, save_every=4
    )
    return Trainer(task, settings)


def test_it_learns_to_compose_what_the_words_name(tmp_path: Path) -> None:
    run = trainer(tmp_path, 200)
    task = run.task
    assert isinstance(task, ComposerTask)

    def loss() -> float:
        return task.loss(0, torch.Generator().manual_seed(5))[1]["loss"]

    before = loss()
    run.run()
    assert loss() < 0.6 * before
    task.net.load_state_dict(run.average["composer"])
    words = task.pooled(["a photo of a boat", "an ink drawing of a castle"])
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(7)).expand(
        2, -1, -1, -1
    )
    with torch.no_grad():
        boat, castle = task.net.sample(noise, words, task.pooled(["", ""]))
    assert boat.mean() > castle.mean() + 1, "whatever the caption says of the style"


def test_resumed_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", 8)
    whole.run()
    trainer(tmp_path / "parts", 8).run(stop=lambda step: step == 5)
    second = trainer(tmp_path / "parts", 8)
    assert second.resume()
    second.run()
    for name, value in whole.modules["composer"].state_dict().items():
        assert torch.equal(value, second.modules["composer"].state_dict()[name]), name


def test_the_text_encoder_stays_and_the_rest_of_a_batch_does_not_matter(tmp_path: Path) -> None:
    run = trainer(tmp_path, 3)
    task = run.task
    assert isinstance(task, ComposerTask)
    before = {k: v.clone() for k, v in task.text_encoder.state_dict().items()}
    together = task.pooled(["a boat", "a very long caption of a castle by the lake at night"])
    assert torch.allclose(together[:1], task.pooled(["a boat"]), atol=1e-5)
    run.run()
    for name, value in task.text_encoder.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_latents_without_photographs_of_the_world_are_refused() -> None:
    one = latents()
    drawn = Latents(one.values[1::2], FACTS[1::2], 1, 8, 1.0)
    with pytest.raises(RequestError, match="render --compositions"):
        ComposerTask(ComposerNet(ComposerConfig()), torch.nn.Linear(1, 1), None, [drawn])


def test_a_close_up_shows_its_subject_large_and_in_the_middle() -> None:
    shares = []
    for seed in range(60):
        it = close_up(scene(seed))
        assert it == close_up(scene(seed))
        where = label_map(it, (64, 64)) == 5
        shares.append(where.mean())
        columns = np.flatnonzero(where.any(axis=0))
        assert columns[0] < 32 < columns[-1]
    assert np.mean(shares) > 0.1
    before = [(label_map(scene(seed), (64, 64)) == 5).mean() for seed in range(60)]
    assert np.mean(shares) > 1.5 * np.mean(before)


def test_compositions_are_single_photographs_of_every_subject() -> None:
    made = [composition(seed, (16, 16)) for seed in range(150)]
    assert {one.facts[0].subject for one in made} == set(SUBJECTS)
    for one in made:
        assert one.pixels.shape == (1, 16, 16, 3)
        assert (one.facts[0].style, one.facts[0].kind) == ("photo", "world")
        assert one.facts[0].box != (0.0, 0.0, 1.0, 1.0)


def test_the_command_makes_a_composer_that_the_model_can_use(tmp_path: Path) -> None:
    model = tiny.sd(tmp_path / "model")
    shards = tmp_path / "shards"
    main(["render", "--compositions", "--out", str(shards), "--processes", "1", "64x32:6"])
    assert read(shards / "64x32.npy").per_group == 1
    out = tmp_path / "out"
    command = ["composer", "--model", str(model), "--shards", str(shards), "--out", str(out)]
    command += ["--batches", "64x32:4:1", "--steps", "2", "--sample-every", "2", "--device", "cpu"]
    main(command)
    assert (out / "composed-000002.png").is_file()
    composer = load_composer(out / "composer", model)
    assert composer.compose("a boat", "", (96, 64), 1).size == (96, 64)
    main([*command, "--steps", "3", "--init", str(out / "composer")])
    save_composer(ComposerNet(ComposerConfig(latent_channels=4)), tmp_path / "wide")
    with pytest.raises(SystemExit, match="words of width 128; the model has 4 and 32"):
        main([*command, "--init", str(tmp_path / "wide")])
    with pytest.raises(SystemExit, match="was made for"):
        main([*command, "--model", str(tiny.sd(tmp_path / "other", seed=1)), "--resume"])


def test_pictures_that_no_composer_can_make_are_refused(tmp_path: Path) -> None:
    model, shards = tiny.sd(tmp_path / "model"), tmp_path / "shards"
    write(gather([group(seed, (48, 48), world=1.0) for seed in range(2)], 2), shards)
    command = ["composer", "--model", str(model), "--shards", str(shards), "--batches", "48x48:2:1"]
    with pytest.raises(SystemExit, match="multiples of 4"):
        main([*command, "--out", str(tmp_path / "out"), "--steps", "1"])


def test_compositions_show_nothing_but_the_world(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="leave out --photos and --world"):
        main(["render", "--compositions", "--world", "0.5", "--out", str(tmp_path), "32x32:1"])
