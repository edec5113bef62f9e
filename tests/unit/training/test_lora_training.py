"""Training a LoRA: what it changes, what it saves, and who can load it."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionImg2ImgPipeline
from PIL import Image
from safetensors import safe_open

from inference.engine.factory import load_engine
from inference.loras import LoraUse
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GenerationResult
from inference.shelf import Shelf
from inference.training.__main__ import main
from inference.training.base_model import SD, SDXL, load_pipeline
from inference.training.crops import PairCrops
from inference.training.loop import LoopSettings, Trainer
from inference.training.lora import LoraTask, architecture, usual_rate
from inference.training.noising import Noising
from inference.training.pairs import check, read_picture
from tests import tiny
from tests.pair_folder import slope, write_pairs


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd(tmp_path_factory.mktemp("base"), zero_snr=True, latent_channels=8)


def trainer(base: Path, folder: Path, steps: int, out: str = "out", inputs: bool = True) -> Trainer:
    if not (folder / "pairs").exists():
        write_pairs(folder / "pairs", {"a": (40, 40), "bb": (48, 36)}, inputs=inputs)
    torch.manual_seed(0)
    pairs = check(folder / "pairs", (32, 32), instruction="in colour", inputs_needed=False)
    pipe = load_pipeline(base, SD | SDXL, torch.float32)
    task = LoraTask(
        pipe, PairCrops(pairs, (32, 32)), Noising(pipe.scheduler.config), rank=4, batch=2,
        autocast=False,
    )  # fmt: skip
    settings = LoopSettings(
        out=folder / out, steps=steps, learning_rate=2e-2, warmup=2, ema=0.9, save_every=4
    )
    return Trainer(task, settings)


def mean_loss(run: Trainer) -> float:
    losses = [run.task.loss(0, torch.Generator().manual_seed(i))[1]["loss"] for i in range(6)]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("parts", [("unet", "vae", "text_encoder"), ("text_encoder",)])
def test_training_starts_from_half_precision_files_too(
    base: Path, tmp_path: Path, parts: tuple[str, ...]
) -> None:
    folder = shutil.copytree(base, tmp_path / "half")
    for part in parts:
        (path,) = (folder / part).glob("*.safetensors")
        path.rename(path.with_suffix(".fp16.safetensors"))
    found, plain = (load_pipeline(one, SD, torch.float32).text_encoder for one in (folder, base))
    for name, tensor in plain.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor)


def test_the_loss_falls_and_only_the_lora_is_trained(base: Path, tmp_path: Path) -> None:
    run = trainer(base, tmp_path, 40)
    task = run.task
    assert isinstance(task, LoraTask)
    frozen = {
        name: (p, p.detach().clone())
        for part in (task.pipe.unet, task.pipe.vae, task.pipe.text_encoder)
        for name, p in part.named_parameters()
        if "lora" not in name
    }
    before = mean_loss(run)
    run.run()
    assert mean_loss(run) < 0.96 * before
    assert len(frozen) > 100
    assert all(torch.equal(now, then) for now, then in frozen.values())
    assert run.checkpoint.stat().st_size < 600_000


def test_a_fresh_lora_changes_nothing(base: Path, tmp_path: Path) -> None:
    run = trainer(base, tmp_path, 1)
    task = run.task
    assert isinstance(task, LoraTask)
    seen = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    words = task.words["in colour"].tokens
    with torch.no_grad():
        ours = task.pipe.unet(seen, 500, words).sample
        plain = load_pipeline(base, SD, torch.float32).unet(seen, 500, words).sample
    assert torch.equal(ours, plain)


def test_an_interrupted_run_ends_in_the_same_weights(base: Path, tmp_path: Path) -> None:
    whole = trainer(base, tmp_path, 8, "whole")
    whole.run()
    trainer(base, tmp_path, 8, "broken").run(stop=lambda step: step == 5)
    again = trainer(base, tmp_path, 8, "broken")
    assert again.resume()
    again.run()
    ours, theirs = (one.modules["lora"].state_dict() for one in (whole, again))
    assert len(ours) > 20
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key
        assert torch.equal(whole.average["lora"][key], again.average["lora"][key]), key


def test_the_noise_carries_the_source(base: Path, tmp_path: Path) -> None:
    """What the UNet sees is pocket's formula; where a pair enters, that is the noised source."""
    pairs = check(write_pairs(tmp_path / "pairs", {"a": (32, 32)}), (32, 32), instruction="")
    pipe = load_pipeline(base, SD, torch.float32)
    crops = PairCrops(pairs, (32, 32), mirror=False)
    noising = Noising(pipe.scheduler.config)
    task = LoraTask(pipe, crops, noising, batch=64, sources=1.0, autocast=False)
    z0, z1 = task.latents([0], random.Random(0))
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    pipe.unet.register_forward_pre_hook(lambda module, given: seen.append(given))
    task.loss(0, torch.Generator().manual_seed(5))
    ((noisy, steps),) = seen

    generator = torch.Generator().manual_seed(5)
    torch.randint(2**31, (1,), generator=generator)
    noise = torch.randn(noisy.shape, generator=generator)
    a = noising.alphas[steps].view(-1, 1, 1, 1)
    carried = (noisy - a.sqrt() * z1) / (1 - a).sqrt() - noise
    far = z0 - z1
    share = (carried * far).sum(dim=(1, 2, 3)) / far.square().sum()
    assert torch.allclose(carried, share.view(-1, 1, 1, 1) * far, atol=1e-3)
    # c² is the ratio at the entry, which is not before the step nor before the first one.
    most = torch.minimum(noising.ratio(steps), noising.ratio(torch.tensor(task.first)))
    assert bool((share.square() <= most * 1.01 + 1e-4).all())
    at_entry = torch.isclose(share.square(), noising.ratio(steps), rtol=0.01)
    assert 3 < int((at_entry & (share > 0.05)).sum()) < 40
    source = a.sqrt() * z0 + (1 - a).sqrt() * noise
    assert torch.allclose(noisy[at_entry], source[at_entry], atol=1e-2)


def test_outputs_alone_have_no_entry(base: Path, tmp_path: Path) -> None:
    alone = trainer(base, tmp_path / "alone", 1, inputs=False).task
    paired = trainer(base, tmp_path / "paired", 1).task
    assert isinstance(alone, LoraTask)
    assert isinstance(paired, LoraTask)
    rng = random.Random(0)
    assert all(alone.entry(0, rng) is None for _ in range(50))
    entries = [paired.entry(0, rng) for _ in range(400)]
    some = [e for e in entries if e is not None]
    assert 0.5 < len(some) / 400 < 0.8
    assert all(paired.first <= entry <= 999 and 0 <= step <= entry for entry, step in some)
    assert sum(entry == step for entry, step in some) > 20


def command(base: Path, pairs: Path, out: Path, *more: str) -> list[str]:
    return [
        *("lora", "--model", str(base), "--out", str(out), "--pairs", str(pairs)),
        *("--instruction", "in colour", "--size", "64x64", "--batch", "2", "--device", "cpu"),
        *("--steps", "3", "--sample-every", "3", "--rank", "4", "--alpha", "2"),
        *("--learning-rate", "0.05", *more),
    ]


def test_from_a_folder_of_pairs_to_a_file_that_diffusers_loads(base: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64), "bb": (90, 70)})
    main(command(base, pairs, tmp_path / "my look", "--recompute"))
    path = tmp_path / "my look" / "my look.safetensors"
    with Image.open(tmp_path / "my look" / "lora-000003.png") as sheet:
        assert sheet.size == (4 * 64, 2 * 64)
    with safe_open(path, framework="pt") as file:
        told = file.metadata()
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state = torch.load(tmp_path / "my look" / "checkpoint.pt", weights_only=True)
    average = state["average"]["lora"].values()
    assert sum(float(t.sum()) for t in saved.values()) == pytest.approx(
        sum(float(t.half().sum()) for t in average), abs=1e-3
    )
    assert told["modelspec.architecture"] == "stable-diffusion/lora"
    assert told["modelspec.trigger_phrase"] == "in colour"
    assert told["ss_sd_model_name"] == base.name
    assert (told["ss_network_dim"], told["ss_network_alpha"]) == ("4", "2")
    assert json.loads(told["lora_adapter_metadata"])["unet.lora_alpha"] == 2
    assert {len(tensor) for name, tensor in saved.items() if ".down." in name} == {4}

    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(base)
    pipe.set_progress_bar_config(disable=True)

    def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        generator = torch.Generator().manual_seed(0)
        made = pipe(
            "in colour", image=slope(1, (64, 64)), num_inference_steps=4, generator=generator
        )
        return np.asarray(made.images[0])

    before = picture()
    pipe.load_lora_weights(path.parent, weight_name=path.name)
    layer = pipe.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn2.to_k
    assert layer.scaling["default_0"] == 0.5, "alpha / rank"
    after = picture()
    assert np.abs(before.astype(int) - after).max() > 0


def test_the_engine_paints_with_what_was_trained(base: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64)})
    main(command(base, pairs, tmp_path / "models" / "loras", "--name", "look"))
    shelf = Shelf(tmp_path / "models")
    assert [lora.name for lora in shelf.loras()] == ["look"]
    engine = load_engine(describe(base), "cpu", shelf=shelf)
    data = read_picture(pairs / "input" / "a.png").data
    pictures = []
    for loras in ((), (LoraUse(name="look"),)):
        request = GenerationRequest(prompt="in colour", steps=3, image=data, loras=loras)
        engine.submit(len(pictures), request, lambda progress: None)
        while not (outcomes := engine.step()):
            pass
        result = outcomes[0].result
        assert isinstance(result, GenerationResult), result
        pictures.append(result.images[0].data)
    assert pictures[0] != pictures[1]


def test_an_sdxl_model_can_be_adapted(tmp_path: Path) -> None:
    base = tiny.sdxl(tmp_path / "xl")
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64)}, inputs=False)
    usual = command(base, pairs, tmp_path / "look")
    usual.remove("--learning-rate")
    usual.remove("0.05")
    main(usual)
    with Image.open(tmp_path / "look" / "lora-000003.png") as sheet:
        assert sheet.size == (3 * 64, 64), "without, with, truth: there is no input"
    path = tmp_path / "look" / "look.safetensors"
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
        assert file.metadata()["modelspec.prediction_type"] == "epsilon"
    pipe = DiffusionPipeline.from_pretrained(base)
    pipe.load_lora_weights(path.parent, weight_name=path.name)
    assert pipe.get_active_adapters() == ["default_0"]


def test_kinds_are_named_as_modelspec_names_them() -> None:
    def of(width: int, prediction: str = "epsilon") -> str:
        return architecture({"cross_attention_dim": width}, prediction)

    assert of(768) == "stable-diffusion-v1/lora"
    assert of(1024) == "stable-diffusion-v2-512/lora"
    assert of(1024, "v_prediction") == "stable-diffusion-v2-768-v/lora"


def test_large_models_learn_slowly() -> None:
    assert usual_rate(7_500_000) == 5e-3
    assert usual_rate(860_000_000) == 1e-4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("--rank", "0"), "--rank is 0; it must be at least 1."),
        (("--alpha", "0"), "--alpha is 0; it must be at least 1."),
        (("--sources", "2"), "--sources is 2; it must be 0 to 1."),
        (("--name", "a/b"), "--name is a/b"),
        (("--model", "pockte"), "There is no model “pockte”"),
        (("--pairs", "/nowhere"), "/nowhere is not a folder."),
    ],
)
def test_wrong_options_train_nothing(
    base: Path, tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64)})
    with pytest.raises(SystemExit) as stopped:
        main([*command(base, pairs, tmp_path / "out"), *change])
    assert told in str(stopped.value)
    assert not (tmp_path / "out").exists()


def test_models_that_are_something_else_are_refused(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64)})
    refiner = tiny.sdxl(tmp_path / "refiner", refiner=True)
    distilled = tiny.sd(tmp_path / "distilled", time_cond=8)
    for folder, told in ((refiner, "refiner"), (distilled, "distilled")):
        with pytest.raises(SystemExit) as stopped:
            main(command(folder, pairs, tmp_path / "out"))
        assert told in str(stopped.value)
