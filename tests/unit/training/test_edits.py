"""What an editor learns from: the world's edits, drawings, an owner's pairs, and their words."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.training.base_model import SD, load_pipeline
from inference.training.captions import STYLE_WORDS
from inference.training.crops import PairCrops
from inference.training.data import group
from inference.training.edits import (
    TASKS,
    DrawnEdits,
    Edit,
    EditBatch,
    MixedEdits,
    PairEdits,
    WorldEdits,
    draw_edit,
    latents_of,
    where_it_matters,
)
from inference.training.instructions import from_sketch, instruction
from inference.training.pairs import check
from inference.training.pocket import at_subjects, encode
from inference.training.scenes import Scenery, picture_of
from inference.training.shards import Shard, gather
from inference.training.sketch_pairs import SketchPairs, fair_picture
from inference.training.spoiling import halved
from tests import tiny
from tests.pair_folder import write_pairs


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd(tmp_path_factory.mktemp("base"), zero_snr=True, latent_channels=8)


@pytest.fixture(scope="module")
def shard() -> Shard:
    return gather((group(i, (64, 48)) for i in range(8)), 8)


def test_an_error_counts_most_in_the_hole_and_at_the_subject(shard: Shard) -> None:
    (target,) = [i for i, facts in enumerate(shard.facts) if facts.kind == "world"][:1]
    source = shard.pixels[target].copy()
    source[10:20, 3:9] ^= 255
    edits = [
        Edit(task=task, target=target, source=source, words="") for task in ("inpaint", "denoise")
    ]
    hole, subject = where_it_matters(shard, edits, 6, 8)
    wanted = torch.zeros(6, 8, dtype=torch.bool)
    wanted[1:3, 0:2] = True
    assert torch.equal(hole[0], wanted)
    assert torch.equal(subject[None], at_subjects([shard.facts[target]], 6, 8))


def drawn(shard: Shard) -> list[Edit]:
    rng = random.Random(1)
    return [draw_edit(shard, rng) for _ in range(400)]


def test_every_example_has_an_exact_answer(shard: Shard) -> None:
    seen = Counter()
    for edit in drawn(shard):
        seen[edit.task] += 1
        target = shard.pixels[edit.target].astype(np.float32)
        facts = shard.facts[edit.target]
        assert edit.words
        if isinstance(edit.source, int):
            other = shard.facts[edit.source]
            assert edit.source // 6 == edit.target // 6
            assert edit.source != edit.target
            assert other.body == facts.body
            assert edit.task in ("restyle", "sketch")
            assert edit.task == "restyle" or other.style in ("pencil", "ink")
            continue
        source = edit.source.astype(np.float32)
        assert source.shape == target.shape
        off = np.abs(source - target)
        if edit.task == "colourise":
            assert facts.kind == "world"
            assert np.array_equal(source[..., 0], source[..., 2])
            luma = target @ np.array([0.299, 0.587, 0.114], np.float32)
            assert np.abs(source[..., 0] - luma).max() <= 1
        elif edit.task == "inpaint":
            whole = (off.max(axis=2) == 0).mean()
            assert 0.2 < whole < 1
        elif edit.task == "denoise":
            assert 2 < (source - target).std() < 61
        elif edit.task == "upscale":
            assert np.array_equal(edit.source, halved(shard.pixels[edit.target]))
        elif edit.task == "sharpen":
            assert source.std() <= target.std() + 0.5
        else:
            assert edit.task == "sketch"
            assert facts.style not in ("pencil", "ink")
            assert source.mean() > 140, "a child's drawing is on white paper"
    assert set(seen) == set(TASKS)


def test_the_same_seed_draws_the_same(shard: Shard) -> None:
    for one, two in zip(drawn(shard)[:50], drawn(shard)[:50], strict=True):
        assert (one.task, one.target, one.words) == (two.task, two.target, two.words)
        assert np.array_equal(one.source, two.source)


def test_instructions_are_many_and_some_are_plain(shard: Shard) -> None:
    rng = random.Random(0)
    plain = {"colourise": "colorize", "denoise": "remove the noise", "upscale": "upscale"}
    for name in TASKS:
        said = [instruction(name, shard.facts[1], rng) for _ in range(400)]
        assert len(set(said)) > 30
        if name in plain:
            assert plain[name] in said
    pixel = next(f for f in shard.facts if f.style == "pixel")
    for _ in range(50):
        said = instruction("restyle", pixel, rng).lower()
        assert any(words in said for words in STYLE_WORDS["pixel"]), said


def test_a_batch_of_the_world_is_what_the_pipeline_sees(base: Path, shard: Shard) -> None:
    vae = load_pipeline(base, SD, torch.float32).vae
    latents = encode(vae, shard, 32, 1.0)
    examples = WorldEdits([shard], [latents], vae, autocast=False)
    batch = examples.batch(random.Random(2))
    rng = random.Random(2)
    rng.choices([0], [1.0])
    edits = [draw_edit(shard, rng) for _ in range(32)]
    assert batch.words == tuple(e.words for e in edits)
    assert batch.sources.shape == batch.targets.shape == (32, 8, 6, 8)
    for i, edit in enumerate(edits):
        source = shard.pixels[edit.source] if isinstance(edit.source, int) else edit.source
        seen = latents_of(vae, source[None], autocast=False)[0]
        known = isinstance(edit.source, int)  # in bfloat16 and float16
        assert torch.allclose(batch.sources[i], seen, atol=0.1 if known else 1e-3)
        scaled = latents_of(vae, shard.pixels[edit.target][None], False)[0]
        scaled = scaled * vae.config.scaling_factor
        assert torch.allclose(batch.targets[i], scaled, atol=0.1)


def test_a_batch_of_pairs_is_what_the_pipeline_sees(base: Path, tmp_path: Path) -> None:
    pairs = check(write_pairs(tmp_path, {"a": (32, 32)}), (32, 32), instruction="colorize")
    vae = load_pipeline(base, SD, torch.float32).vae
    crops = PairCrops(pairs, (32, 32), mirror=False)
    batch = PairEdits(crops, vae, batch=2, autocast=False).batch(random.Random(0))
    source, target = crops.centre(0)
    assert batch.words == ("colorize", "colorize")
    for i in range(2):
        assert torch.allclose(batch.sources[i], latents_of(vae, source[None], False)[0], atol=1e-5)
        scaled = latents_of(vae, target[None], False)[0] * vae.config.scaling_factor
        assert torch.allclose(batch.targets[i], scaled, atol=1e-5)


def test_a_batch_of_drawings_is_what_the_pipeline_sees(base: Path) -> None:
    vae = load_pipeline(base, SD, torch.float32).vae
    usual = np.stack([fair_picture(seed, (64, 64)) for seed in range(2)])
    shaded = np.stack([picture_of(seed, (64, 64)) for seed in range(2, 4)])
    pairs = SketchPairs(Scenery([shaded], []), usual, usual, side=64, watched=1)
    batch = DrawnEdits(pairs, vae, batch=5, autocast=False).batch(random.Random(4))
    rng = random.Random(4)
    drawn, shown = pairs.batch(5, np.random.default_rng(rng.getrandbits(32)))
    factor = vae.config.scaling_factor
    assert torch.allclose(batch.sources, latents_of(vae, drawn, False), atol=1e-4)
    assert torch.allclose(batch.targets, latents_of(vae, shown, False) * factor, atol=1e-4)
    assert len(batch.words) == 5
    assert all(isinstance(words, str) and words for words in batch.words)


def test_a_mixture_takes_each_as_often_as_its_weight_says() -> None:
    class One:
        def __init__(self, name: str) -> None:
            nothing = torch.zeros(1, 1, 1, 1)
            self._batch = EditBatch(sources=nothing, targets=nothing, words=(name,), counts=nothing)

        def batch(self, rng: random.Random) -> EditBatch:
            return self._batch

    mixed = MixedEdits([(One("rare"), 0.2), (One("usual"), 0.8)])
    rng = random.Random(0)
    said = [mixed.batch(rng).words[0] for _ in range(500)]
    assert 70 < said.count("rare") < 130


def test_words_for_a_drawing_ask_for_a_photograph_and_name_nothing() -> None:
    rng = random.Random(0)
    said = {from_sketch(rng).lower() for _ in range(300)}
    assert "turn the sketch into a photo" in said
    assert len(said) > 20
    assert not any(word in words for words in said for word in ("castle", "oil", "{"))
