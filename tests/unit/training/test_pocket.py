import json
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionImg2ImgPipeline
from PIL import Image

from inference.catalog import embedded
from inference.request import STRENGTH_BANDS
from inference.safetensors_file import read_header
from inference.training.autoencoder import build as build_autoencoder
from inference.training.captions import caption
from inference.training.data import Facts, group
from inference.training.pocket import (
    ENTRY,
    Latents,
    PocketTask,
    at_subjects,
    build_scheduler,
    build_text_encoder,
    build_unet,
    draw,
    encode,
    focus,
    noisy_step,
)
from inference.training.rendering import LABELS, label_map, subject_box
from inference.training.shards import Shard, gather, read, write
from inference.training.tokens import corpus, learn
from inference.training.world import scene

POCKET = Path(__file__).parents[3] / "inference" / "pocket"


def latents() -> Latents:
    made = [group(i, (32, 32)) for i in range(2)]
    facts = tuple(f for g in made for f in g.facts)
    values = torch.randn(len(facts), 4, 8, 8, generator=torch.Generator().manual_seed(0)).half()
    return Latents(values, facts, 6, 4, 1.0)


def task() -> PocketTask:
    torch.manual_seed(0)
    tokenizer = learn(corpus(200, 0), size=1000, longest=24)
    return PocketTask(
        build_unet(channels=(16, 32), latent=4, text=32),
        build_text_encoder(tokenizer, width=32, layers=1),
        tokenizer,
        [latents()],
        autocast=False,
    )


@pytest.fixture(scope="module")
def autoencoder() -> AutoencoderKL:
    torch.manual_seed(0)
    return build_autoencoder((8, 16), 4)


def test_latents_are_kept_and_only_those_of_the_same_pictures_are_read(
    autoencoder: AutoencoderKL, tmp_path: Path
) -> None:
    shard, other = (gather((group(i, (32, 32)) for i in seeds), 2) for seeds in ((0, 1), (2, 3)))
    path = tmp_path / "latents.pt"
    first = encode(autoencoder, shard, 4, 1.0, path).values
    marked = first.clone()
    marked += 0.01  # less than another device might make of them
    torch.save(marked, path)
    assert torch.equal(encode(autoencoder, shard, 4, 1.0, path).values, marked), "it was not read"
    fewer = Shard(shard.pixels[:6], shard.facts[:6], 6)
    assert torch.equal(encode(autoencoder, fewer, 4, 1.0, path).values, marked[:6])
    made = encode(autoencoder, other, 4, 1.0, path).values
    assert torch.equal(made, encode(autoencoder, other, 4, 1.0).values)
    assert torch.equal(torch.load(path, weights_only=True), made)


def test_the_noise_of_a_pair_is_its_source() -> None:
    """Where a pair enters the schedule, the model sees the noised source and nothing else."""
    alphas = build_scheduler().alphas_cumprod
    assert alphas[-1] == 0
    target, source, noise = torch.randn(3, 5, generator=torch.Generator().manual_seed(3))
    for entry in (250, 600, 998):
        a = alphas[entry]
        carried = noise + (a / (1 - a)).sqrt() * (source - target)
        seen = a.sqrt() * target + (1 - a).sqrt() * carried
        assert torch.allclose(seen, a.sqrt() * source + (1 - a).sqrt() * noise, atol=1e-5)


def test_at_the_usual_strength_three_quarters_of_the_power_are_the_source_s() -> None:
    alphas = build_scheduler().alphas_cumprod
    assert alphas[600] == pytest.approx(0.75, abs=0.01)
    assert (alphas.diff() < 0).all()
    shipped = DDIMScheduler.from_pretrained(POCKET / "scheduler")
    assert torch.allclose(shipped.alphas_cumprod, alphas, atol=1e-6)


def test_draws_are_consistent() -> None:
    shard, rng = latents(), random.Random(4)
    draws = [draw(shard, rng, 0.7, 0.1) for _ in range(300)]
    for one in draws:
        assert one.target // 6 == one.source // 6
        assert 0 <= one.step <= one.entry <= 999
        if one.source != one.target:
            assert one.entry >= 1000 * STRENGTH_BANDS["subtle"] - 50
    assert 0.03 < sum(not d.words for d in draws) / len(draws) < 0.25
    assert 0.3 < sum(d.source != d.target for d in draws) / len(draws) < 0.8


def test_a_pair_enters_most_often_where_members_enter() -> None:
    shard, rng = latents(), random.Random(4)
    draws = [draw(shard, rng, 1.0, 0.0) for _ in range(600)]
    entries = [one.entry for one in draws if one.source != one.target]
    near = sum(500 <= entry < 700 for entry in entries) / len(entries)
    assert near > 0.4
    assert max(entries) > 900


def test_an_error_counts_most_where_the_subject_stands() -> None:
    facts = Facts(style="oil"), Facts(style="oil", box=(0.25, 0.5, 0.5, 1.0))
    where = at_subjects(facts, 8, 16)
    assert where[0].all()
    inside = torch.zeros(8, 16, dtype=torch.bool)
    inside[4:, 4:8] = True
    assert torch.equal(where[1, 0], inside)
    whole, part = focus(where)
    assert torch.equal(whole, torch.ones(1, 8, 16))
    assert part.mean() == pytest.approx(1)
    assert part[0][inside].unique().item() == pytest.approx(4 * part[0][~inside].unique().item())


@pytest.mark.parametrize("size", [(64, 64), (192, 128), (128, 192)])
def test_a_box_is_around_the_subject(size: tuple[int, int]) -> None:
    """To a sixty-fourth of the longer side, and two pixels more for what small maps draw apart."""
    off = np.array([max(size) / 64 + 2] * 4)
    for seed in range(12):
        rows, columns = np.nonzero(label_map(scene(seed), size) == LABELS["subject"])
        exact = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        found = np.array(subject_box(scene(seed), size)) * [*size, *size]
        assert (np.abs(found - exact) <= off).all(), seed


def test_the_loss_counts_more_where_the_subject_stands() -> None:
    work = task()
    (shard,) = work.latents

    def loss(box: tuple[float, float, float, float]) -> float:
        work.latents = [replace(shard, facts=tuple(replace(f, box=box) for f in shard.facts))]
        return work.loss(3, torch.Generator().manual_seed(9))[1]["loss"]

    assert loss((0.0, 0.0, 1.0, 1.0)) != loss((0.0, 0.0, 0.5, 0.5))


def test_a_shard_keeps_the_boxes_and_old_ones_have_none(tmp_path: Path) -> None:
    made = gather([group(0, (16, 16), world=1.0)], 1)
    path = write(made, tmp_path)
    assert read(path).facts == made.facts
    assert made.facts[0].box != (0.0, 0.0, 1.0, 1.0)
    assert {facts.box for facts in made.facts if facts.body == 0} == {
        subject_box(scene(0), (16, 16))
    }
    text = json.loads(path.with_suffix(".json").read_text())
    for facts in text["facts"]:
        del facts["box"]
    path.with_suffix(".json").write_text(json.dumps(text))
    assert {facts.box for facts in read(path).facts} == {(0.0, 0.0, 1.0, 1.0)}


def test_plain_examples_come_more_often_from_the_noise() -> None:
    rng = random.Random(5)
    steps = [noisy_step(rng, 999) for _ in range(2000)]
    assert 0 <= min(steps) < 100
    assert max(steps) == 999
    assert 0.82 < sum(step >= 500 for step in steps) / 2000 < 0.93
    assert 0.02 < steps.count(999) / 2000 < 0.07


def test_a_group_can_be_of_the_world_alone() -> None:
    kinds = [
        {facts.kind for facts in group(seed, (16, 16), world=share).facts}
        for share in (1.0, 0.0)
        for seed in range(12)
    ]
    assert all(kind == {"world"} for kind in kinds[:12])
    assert not any("world" in kind for kind in kinds[12:])


def test_a_pair_of_two_subjects_is_seen_most_often_where_the_words_decide() -> None:
    made = [group(i, (16, 16), world=1.0) for i in range(40)]
    facts = tuple(f for g in made for f in g.facts)
    shard, rng = Latents(torch.zeros(len(facts), 4, 2, 2), facts, 6, 4, 1.0), random.Random(6)
    draws = [draw(shard, rng, 1.0, 0.0) for _ in range(6000)]
    two = [d for d in draws if facts[d.target].subject != facts[d.source].subject]
    assert len(two) > 500
    assert min(d.entry for d in two) >= ENTRY["subject"]
    assert sum(d.step > d.entry / 2 for d in two) / len(two) > 0.8


def test_one_step_reaches_every_weight() -> None:
    work = task()
    loss, figures = work.loss(0, torch.Generator().manual_seed(0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert np.isfinite(figures["loss"])
    for name, module in work.modules().items():
        trained = [p.grad is not None for p in module.parameters()]
        assert all(trained), name


def test_the_same_step_is_the_same_batch() -> None:
    work = task()
    a, b = (work.loss(3, torch.Generator().manual_seed(9))[1]["loss"] for _ in range(2))
    assert a == b


def test_unknown_subjects_get_a_caption() -> None:
    facts = Facts(style="oil", kind="leaves")
    assert all(caption(facts, random.Random(i)) for i in range(40))


@pytest.mark.skipif(not (POCKET / "model_index.json").exists(), reason="no trained weights here")
def test_the_shipped_model_listens_to_its_prompt() -> None:
    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(POCKET, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    assert {p.dtype for p in (*pipe.unet.parameters(), *pipe.text_encoder.parameters())} == {
        torch.float32
    }
    config = json.loads((POCKET / "unet" / "config.json").read_text())
    assert config["sample_size"] * pipe.vae_scale_factor == 256
    source = Image.fromarray(group(1_000_001, (64, 64)).pixels[0])
    made = [
        np.asarray(
            pipe(
                prompt,
                image=source,
                strength=0.8,
                num_inference_steps=5,
                guidance_scale=1.5,
                generator=torch.Generator().manual_seed(0),
            ).images[0],
            np.float32,
        )
        for prompt in ("black and white photo", "blueprint drawing")
    ]
    blueness = [float((m[..., 2] - m[..., 0]).mean()) for m in made]
    assert blueness[1] > blueness[0] + 20


def test_the_embedded_models_are_small() -> None:
    files = [path for folder in embedded() for path in folder.rglob("*.safetensors")]
    values = sum(math.prod(shape) for path in files for shape in read_header(path).shapes.values())
    assert 2 * values <= 40 * 10**6, "bytes in float16"
