"""A model folder that is damaged or of another kind is refused with the file named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inference.errors import ModelError
from inference.families.folder import unneeded_variants
from inference.families.load import find_device, load_model
from tests import tiny


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd(tmp_path_factory.mktemp("models") / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


WEIGHTS = "diffusion_pytorch_model.safetensors"
Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (shutil.rmtree, "model does not exist"),
        (lambda f: (f / "model_index.json").unlink(), "model_index.json is missing"),
        (lambda f: (f / "model_index.json").write_text("{"), "model_index.json cannot be read"),
        (lambda f: (f / "model_index.json").write_text("[]"), "model_index.json is not a JSON"),
        (lambda f: (f / "model_index.json").write_text("{}"), "names no pipeline"),
        (
            lambda f: change_json(f / "model_index.json", _class_name="KandinskyPipeline"),
            "model_index.json is of a kind that is not supported, KandinskyPipeline",
        ),
        (lambda f: change_json(f / "model_index.json", vae=[None, None]), "names no vae"),
        (lambda f: shutil.rmtree(f / "vae"), "vae is missing"),
        (lambda f: shutil.rmtree(f / "tokenizer"), "tokenizer is missing"),
        (lambda f: (f / "tokenizer" / "tokenizer.json").unlink(), "vocab.json is missing"),
        (lambda f: (f / "unet" / "config.json").unlink(), "unet/config.json is missing"),
        (lambda f: (f / "unet" / WEIGHTS).unlink(), "unet holds no weights"),
        (lambda f: cut(f / "unet" / WEIGHTS, 0.9), f"unet/{WEIGHTS} is damaged: it has"),
        (lambda f: cut(f / "vae" / WEIGHTS, 0.001), f"vae/{WEIGHTS} is damaged"),
        (lambda f: (f / "vae" / WEIGHTS).write_bytes(b"<html>"), f"vae/{WEIGHTS} is damaged"),
        (lambda f: (f / "vae" / WEIGHTS).write_bytes(b""), f"vae/{WEIGHTS} is damaged"),
        (
            lambda f: (f / "scheduler" / "scheduler_config.json").unlink(),
            "scheduler_config.json is missing",
        ),
        (
            lambda f: change_json(f / "scheduler/scheduler_config.json", _class_name="Nope"),
            "scheduler_config.json names an unknown class, Nope",
        ),
        (lambda f: change_json(f / "unet/config.json", in_channels=8), "in_channels 8"),
        (lambda f: change_json(f / "unet/config.json", layers_per_block=2), "unet"),
        (lambda f: change_json(f / "unet/config.json", block_out_channels=[32]), "unet"),
        (lambda f: change_json(f / "text_encoder/config.json", hidden_size=64), "text_encoder"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, damage: Damage, named: str) -> None:
    damage(folder)
    with pytest.raises(ModelError) as caught:
        load_model(folder, torch.device("cpu"), torch.float32)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_old_tokenizer_without_its_fast_file_is_the_same(folder: Path) -> None:
    cpu = torch.device("cpu")
    before = load_model(folder, cpu, torch.float32).prompts.encoders.encode(
        "a hat, 2 cats", negative=False, chunks=1
    )
    whole = folder / "tokenizer" / "tokenizer.json"
    words = json.loads(whole.read_text())["model"]["vocab"]
    whole.unlink()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(words))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    after = load_model(folder, cpu, torch.float32).prompts.encoders.encode(
        "a hat, 2 cats", negative=False, chunks=1
    )
    assert torch.equal(before.tokens, after.tokens)


def test_half_precision_weights_are_found_and_widened(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        path.rename(path.with_suffix(".fp16.safetensors"))
    model = load_model(folder, torch.device("cpu"), torch.float32)
    assert model.unet.dtype == torch.float32


@pytest.mark.parametrize(
    ("files", "unneeded"),
    [
        (["unet/config.json", "unet/model.safetensors"], []),
        (["unet/model.fp16.safetensors", "vae/model.safetensors"], []),
        (["unet/model.fp16.safetensors", "unet/model.safetensors"], [0]),
        (["unet/model.bf16.safetensors", "unet/model.fp16.safetensors"], [0]),
        (["unet/model.fp16.safetensors", "unet/model.bin"], []),
        (["unet/model.fp16-00001-of-00002.safetensors", f"unet/{WEIGHTS}"], [0]),
        (["a/model-00001-of-00002.safetensors", "a/model-00001-of-00002.fp16.safetensors"], [1]),
        (["unet/model.fp16.safetensors", "unet/model.non_ema.safetensors"], []),
        (["old/sdxl.fp16.safetensors", "old/sdxl.safetensors"], [0]),
        (["text_encoder/pytorch_model.fp16-00001-of-00002.safetensors"], [0]),
    ],
)
def test_of_several_precisions_one_is_needed(files: list[str], unneeded: list[int]) -> None:
    assert unneeded_variants(files) == [files[place] for place in unneeded]


def test_weights_in_several_files_are_all_looked_for(folder: Path) -> None:
    index = folder / "unet" / f"{WEIGHTS}.index.json"
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / "part-1.safetensors")
    shards = {"a": "part-1.safetensors", "b": "part-2.safetensors"}
    index.write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ModelError, match=r"part-2\.safetensors is missing"):
        load_model(folder, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=name):
        find_device(name)
