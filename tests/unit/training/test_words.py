"""The text encoder learns to say what captions tell, and forgets nothing else."""

from pathlib import Path

import pytest
import torch
from transformers import CLIPTextModel

from inference.training.__main__ import main
from inference.training.base_model import SD, load_pipeline
from inference.training.data import Facts, group
from inference.training.loop import LoopSettings, Trainer
from inference.training.pocket import build_scheduler, build_text_encoder
from inference.training.shards import facts_in, gather, write
from inference.training.tokens import corpus, ids_of, learn
from inference.training.words import NAMES, UNSAID, Namer, WordsTask, truths
from tests import tiny

FACTS = [
    Facts(style=style, subject=subject, time="night", season="winter", weather="clear")
    for style in ("oil", "ink")
    for subject in ("boat", "castle")
]


def trainer(out: Path, steps: int) -> Trainer:
    torch.manual_seed(0)
    tokenizer = learn(corpus(200, 0), size=1000, longest=32)
    task = WordsTask(build_text_encoder(tokenizer, width=32, layers=1), tokenizer, FACTS, batch=8)
    settings = LoopSettings(
        out=out, steps=steps, learning_rate=2e-2, warmup=2, ema=0.9, save_every=4
    )
    return Trainer(task, settings)


def test_what_no_caption_can_say_is_not_asked_for() -> None:
    found = truths([Facts(style="oil", subject="a motorcycle", kind="photograph"), FACTS[1]])
    assert set(found) == set(NAMES)
    assert found["subject"].tolist() == [UNSAID, NAMES["subject"].index("castle")]
    assert found["time"].tolist() == [UNSAID, NAMES["time"].index("night")]
    assert found["style"].tolist() == [NAMES["style"].index(style) for style in ("oil", "oil")]


def test_a_namer_cannot_shout() -> None:
    """Only the hidden state's own length makes an answer sure."""
    namer, hidden = Namer(16), torch.randn(5, 16)
    before = namer(hidden)
    with torch.no_grad():
        for directions in namer.names.values():
            directions.mul_(100)
    for fact, logits in namer(hidden).items():
        assert torch.allclose(logits, before[fact], atol=1e-5)
        assert (logits.norm(dim=0) <= hidden.norm() + 1e-4).all()


def test_subjects_come_apart(tmp_path: Path) -> None:
    run = trainer(tmp_path, 120)
    task = run.task
    assert isinstance(task, WordsTask)

    def apart(encoder: CLIPTextModel) -> float:
        ids = ids_of(task.tokenizer, ["an oil painting of a boat", "an oil painting of a castle"])
        with torch.no_grad():
            hidden = encoder(ids)[0]
        # The last place comes after the end of both, where the texts themselves are the same.
        return float((hidden[0, -1] - hidden[1, -1]).norm())

    run.run()
    assert apart(task.text_encoder) > 2 * apart(task.before)


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", 8)
    whole.run()
    trainer(tmp_path / "broken", 8).run(stop=lambda step: step == 5)
    again = trainer(tmp_path / "broken", 8)
    assert again.resume()
    again.run()
    for name, module in whole.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, again.modules[name].state_dict()[key]), key


def test_words_and_then_pocket_by_command(tmp_path: Path) -> None:
    base = tiny.sd(tmp_path / "base", zero_snr=True, latent_channels=8)
    build_scheduler().save_pretrained(base / "scheduler")
    made = gather((group(i, (32, 32), world=1.0) for i in range(2)), 2)
    write(made, tmp_path / "shards")
    assert facts_in(tmp_path / "shards") == list(made.facts)
    shards = ("--shards", str(tmp_path / "shards"), "--device", "cpu")
    main(["words", "--out", str(tmp_path / "w"), "--init", str(base), *shards, "--steps", "2"])
    words = tmp_path / "w" / "model"
    main(
        [
            *("pocket", "--out", str(tmp_path / "p"), "--init", str(words), "--freeze-text"),
            *(*shards, "--batches", "32x32:2:1", "--steps", "2"),
        ]
    )
    before, told, painted = (
        load_pipeline(folder, SD, torch.float32) for folder in (base, words, tmp_path / "p/model")
    )

    def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
        pairs = zip(a.parameters(), b.parameters(), strict=True)
        return all(torch.equal(x, y) for x, y in pairs)

    assert not same(before.text_encoder, told.text_encoder)
    assert same(told.text_encoder, painted.text_encoder)
    assert same(before.unet.half(), told.unet.half())
    assert not same(told.unet, painted.unet)


def test_pocket_begins_with_its_own_kind(tmp_path: Path) -> None:
    base = tiny.sd(tmp_path / "base")
    with pytest.raises(SystemExit, match="not what it predicts"):
        main(
            [
                *("pocket", "--out", str(tmp_path), "--init", str(base), "--device", "cpu"),
                *("--shards", str(tmp_path), "--batches", "32x32:2:1"),
            ]
        )


def test_pocket_needs_an_autoencoder_or_a_model(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--vae"):
        main(
            [
                *("pocket", "--out", str(tmp_path), "--shards", str(tmp_path)),
                *("--batches", "32x32:2:1"),
            ]
        )
