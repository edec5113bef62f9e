"""Training an image-prompt adapter: its examples, what it saves, and that diffusers loads it."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPImageProcessor

from inference.image_adapter_info import TELLS
from inference.safetensors_file import read_header
from inference.training.__main__ import main
from inference.training.adapter import (
    AdapterTask,
    adapter_state,
    add_adapter,
    build_image_encoder,
    draw_style,
    styles_of,
)
from inference.training.base_model import SD, load_pipeline
from inference.training.captions import STYLE_WORDS
from inference.training.data import group
from inference.training.looking import LookingTask, glance, to_encoder
from inference.training.loop import LoopSettings, Trainer
from inference.training.noising import Noising
from inference.training.pocket import encode
from inference.training.shards import Shard, gather, write
from tests import tiny
from tests.pair_folder import slope


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd(tmp_path_factory.mktemp("base"), zero_snr=True, latent_channels=8)


@pytest.fixture(scope="module")
def shard() -> Shard:
    return gather((group(i, (32, 32)) for i in range(8)), 8)


def trainer(base: Path, shard: Shard, out: Path, steps: int) -> Trainer:
    torch.manual_seed(0)
    pipe = load_pipeline(base, SD, torch.float32)
    latents = encode(pipe.vae, shard, 4, 1.0)
    looking = LookingTask(build_image_encoder(width=32, layers=1, side=32), [shard])
    add_adapter(pipe, looking.encoder)
    task = AdapterTask(
        pipe, [shard], [latents], Noising(pipe.scheduler.config), looking.judge, autocast=False
    )
    settings = LoopSettings(
        out=out, steps=steps, learning_rate=5e-3, warmup=2, ema=0.9, save_every=4
    )
    return Trainer(task, settings)


def test_the_style_picture_shows_something_else_in_the_same_style(shard: Shard) -> None:
    rng = random.Random(0)
    by_style = styles_of(shard)
    draws = [
        draw_style(shard, by_style, rng, sources=0.8, first=300, steps=1000) for _ in range(400)
    ]
    for one in draws:
        facts = shard.facts[one.target]
        assert shard.facts[one.style].style == facts.style
        assert one.style // 6 != one.target // 6
        assert one.source // 6 == one.target // 6
        assert shard.facts[one.source].body == facts.body
        assert 0 <= one.step <= one.entry < 1000
        assert one.entry >= 300
        assert any(words in one.told for words in STYLE_WORDS[facts.style])
        assert one.words in one.told
        if facts.kind == "world" and facts.style != "photo":
            assert not any(words in one.words.lower() for words in STYLE_WORDS[facts.style])
    assert 0.5 < sum(one.source != one.target for one in draws) / 400 < 0.85
    assert 0.3 < sum(not one.words for one in draws) / 400 < 0.65


def test_an_encoder_learns_to_look(shard: Shard, tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = build_image_encoder(width=32, layers=1, side=32, patch=8)
    task = LookingTask(encoder, [shard], batch=16, autocast=False)
    settings = LoopSettings(out=tmp_path, steps=60, learning_rate=5e-3, warmup=2)

    def mean_loss() -> float:
        losses = [task.loss(0, torch.Generator().manual_seed(i))[1]["loss"] for i in range(4)]
        return sum(losses) / 4

    before = mean_loss()
    Trainer(task, settings).run()
    assert mean_loss() < 0.8 * before


def test_a_glance_is_a_square_of_the_picture() -> None:
    picture, rng = np.asarray(slope(4, (40, 60))), random.Random(1)
    for _ in range(20):
        seen = glance(picture, rng)
        assert seen.shape[0] == seen.shape[1]
        assert 28 <= seen.shape[0] <= 40


def test_the_teacher_is_the_model_without_the_adapter(
    base: Path, shard: Shard, tmp_path: Path
) -> None:
    task = trainer(base, shard, tmp_path, 1).task
    assert isinstance(task, AdapterTask)
    plain = load_pipeline(base, SD, torch.float32)
    noisy, steps = torch.randn(2, 8, 4, 4), torch.tensor([400, 900])
    told = ["oil painting of a boat", "ink"]
    with torch.no_grad():
        hidden = plain.encode_prompt(told, torch.device("cpu"), 1, False)[0]
        wanted = plain.unet(noisy, steps, hidden).sample
    assert torch.allclose(task._taught(noisy, steps, told), wanted, atol=1e-5)
    # And it is on again afterwards.
    scales = {
        getattr(p, "scale", None) and p.scale[0] for p in task.pipe.unet.attn_processors.values()
    }
    assert scales == {None, 1.0}


def test_the_encoder_sees_what_the_pipeline_will_show_it() -> None:
    picture = slope(2, (48, 48))
    ours = to_encoder([np.asarray(picture)], 32)
    processor = CLIPImageProcessor(size=32, crop_size=32)
    theirs = processor(picture, return_tensors="pt").pixel_values
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=0.03)


def test_the_loss_falls_and_the_model_stays_as_it_is(
    base: Path, shard: Shard, tmp_path: Path
) -> None:
    run = trainer(base, shard, tmp_path, 40)
    task = run.task
    assert isinstance(task, AdapterTask)
    frozen = {
        name: (p, p.detach().clone())
        for part in (task.pipe.unet, task.pipe.text_encoder, task.pipe.vae)
        for name, p in part.named_parameters()
        if "_ip." not in name and "encoder_hid_proj" not in name
    }

    def mean_loss() -> float:
        losses = [
            float(task.loss(0, torch.Generator().manual_seed(i))[0].detach()) for i in range(6)
        ]
        return sum(losses) / 6

    before = mean_loss()
    run.run()
    assert mean_loss() < 0.97 * before
    assert len(frozen) > 100
    assert all(torch.equal(now, then) for now, then in frozen.values())


def test_one_step_reaches_every_weight(base: Path, shard: Shard, tmp_path: Path) -> None:
    task = trainer(base, shard, tmp_path, 1).task
    task.loss(0, torch.Generator().manual_seed(0))[0].backward()  # type: ignore[no-untyped-call]
    for name, module in task.modules().items():
        without = [key for key, p in module.named_parameters() if p.grad is None]
        assert without == [], name


def test_an_interrupted_run_ends_in_the_same_weights(
    base: Path, shard: Shard, tmp_path: Path
) -> None:
    whole = trainer(base, shard, tmp_path / "whole", 8)
    whole.run()
    trainer(base, shard, tmp_path / "broken", 8).run(stop=lambda step: step == 5)
    again = trainer(base, shard, tmp_path / "broken", 8)
    assert again.resume()
    again.run()
    for name, module in whole.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, again.modules[name].state_dict()[key]), key
            assert torch.equal(whole.average[name][key], again.average[name][key]), key


def test_from_shards_to_an_adapter_that_diffusers_loads(base: Path, tmp_path: Path) -> None:
    made = gather((group(i, (64, 64)) for i in range(4)), 4)
    write(made, tmp_path / "shards")
    out = tmp_path / "out"
    main(
        [
            *("adapter", "--out", str(out), "--model", str(base), "--device", "cpu"),
            *("--shards", str(tmp_path / "shards"), "--batches", "64x64:2:1"),
            *("--steps", "3", "--sample-every", "3", "--learning-rate", "0.02"),
            *("--looking", "2"),
        ]
    )
    with Image.open(out / "styled-000003.png") as sheet:
        assert sheet.size == (4 * 64, 6 * 64)
    assert read_header(out / "adapter" / "ip_adapter.safetensors").metadata[TELLS] == "style"
    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(base)
    pipe.load_ip_adapter(out / "adapter", subfolder="", weight_name="ip_adapter.safetensors")
    pipe.set_progress_bar_config(disable=True)
    state = torch.load(out / "checkpoint.pt", weights_only=True)["average"]
    loaded = adapter_state(pipe.unet)
    kept = state["projection"]["image_projection_layers.0.image_embeds.weight"]
    assert torch.equal(loaded["image_proj.proj.weight"], kept.half().float())
    layers = [key for key in loaded if key.endswith("to_k_ip.weight")]
    assert len(layers) == len([key for key in state["attention"] if "to_k_ip" in key]) > 2

    def picture(style: Image.Image) -> bytes:
        made = pipe(
            "",
            image=slope(1, (64, 64)),
            ip_adapter_image=style,
            num_inference_steps=4,
            generator=torch.Generator().manual_seed(0),
        )
        return bytes(made.images[0].tobytes())

    assert picture(slope(5, (64, 64))) != picture(Image.new("RGB", (64, 64), "black"))


def test_an_adapter_can_be_trained_further(base: Path, shard: Shard, tmp_path: Path) -> None:
    write(shard, tmp_path / "shards")

    def train(out: str, *more: str, model: Path = base) -> Path:
        main(
            [
                *("adapter", "--out", str(tmp_path / out), "--model", str(model)),
                *("--shards", str(tmp_path / "shards"), "--batches", "32x32:2:1"),
                *("--steps", "1", "--sample-every", "9", "--device", "cpu"),
                *("--looking", "1", "--learning-rate", "0.01", *more),
            ]
        )
        return tmp_path / out / "adapter"

    first = train("first")
    again = train("again", "--init", str(first), "--learning-rate", "0", "--seed", "5")
    for name in ("ip_adapter.safetensors", "image_encoder/model.safetensors"):
        before, after = load_file(first / name), load_file(again / name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)

    wide = tiny.sd(tmp_path / "wide", zero_snr=True, latent_channels=8, channels=(32, 96))
    with pytest.raises(SystemExit, match=r"ip_adapter\.safetensors is no adapter for this model"):
        train("other", "--init", str(first), model=wide)
    with pytest.raises(SystemExit, match="holds no image encoder"):
        train("none", "--init", str(tmp_path))
    assert not (tmp_path / "other" / "checkpoint.pt").exists()
