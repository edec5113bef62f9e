"""A folder of SD3 or Flux that is damaged or misses a part is refused with the file named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from inference.errors import ModelError
from inference.families.load import load_model
from inference.model_info import describe
from tests import tiny_flow

WEIGHTS = "diffusion_pytorch_model.safetensors"
CPU = torch.device("cpu")
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flow.sd3(tmp_path_factory.mktemp("models") / "sd3")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flow.flux(tmp_path_factory.mktemp("models") / "flux")


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def refused(folder: Path, damage: Damage, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said; not a single weight may have been read before."""

    def read(*_: object, **__: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr("inference.families.load.load_weights", read)
    damage(folder)
    with pytest.raises(ModelError) as caught:
        load_model(folder, CPU, torch.float32)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda f: (f / "transformer" / WEIGHTS).unlink(), "transformer holds no weights"),
        (lambda f: cut(f / "transformer" / WEIGHTS), f"transformer/{WEIGHTS} is damaged"),
        (lambda f: shutil.rmtree(f / "transformer"), "transformer is missing"),
        (lambda f: shutil.rmtree(f / "tokenizer_3"), "tokenizer_3 is missing"),
        (
            lambda f: change_json(f / "model_index.json", tokenizer_3=[None, None]),
            "model_index.json names no tokenizer_3",
        ),
        (
            lambda f: (f / "tokenizer_3" / "tokenizer.json").unlink(),
            "tokenizer_3/tokenizer.json is missing",
        ),
        (lambda f: (f / "text_encoder_3" / "config.json").unlink(), "text_encoder_3/config.json"),
        (lambda f: cut(f / "text_encoder_3" / "model.safetensors"), "text_encoder_3/model"),
        (
            lambda f: change_json(f / "model_index.json", text_encoder=[None, None]),
            "model_index.json names no text_encoder",
        ),
        (lambda f: shutil.rmtree(f / "tokenizer_2"), "tokenizer_2 is missing"),
        (lambda f: (f / "vae" / "config.json").unlink(), "vae/config.json is missing"),
        (
            lambda f: change_json(f / "transformer/config.json", in_channels=9),
            "transformer/config.json has in_channels 9, but the channels of the vae's",
        ),
        (
            lambda f: change_json(f / "text_encoder/config.json", projection_dim=7),
            "has pooled_projection_dim 80, but the CLIP encoders give together 55",
        ),
        (
            lambda f: change_json(f / "text_encoder_3/config.json", d_model=48),
            "has joint_attention_dim 96, but text_encoder_3 gives 48",
        ),
        (
            lambda f: change_json(f / "text_encoder/config.json", hidden_size=64),
            "has joint_attention_dim 96, but the CLIP encoders give together 112",
        ),
        (
            lambda f: change_json(
                f / "scheduler/scheduler_config.json", _class_name="DDIMScheduler"
            ),
            "scheduler_config.json names DDIMScheduler, which does not suit this kind of model",
        ),
        (
            lambda f: (f / "scheduler" / "scheduler_config.json").unlink(),
            "scheduler_config.json is missing",
        ),
        (
            lambda f: change_json(f / "scheduler/scheduler_config.json", time_shift_type="other"),
            "scheduler_config.json does not suit FlowMatchEulerDiscreteScheduler",
        ),
        (
            lambda f: (f / "palimpsest.json").write_text('{"scheduler": "ddim"}'),
            "palimpsest.json names the scheduler ddim, which does not suit this model; "
            "it runs with: flow-euler.",
        ),
    ],
)
def test_what_is_wrong_with_an_sd3_is_named_before_weights_are_read(
    sd3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage, named: str
) -> None:
    folder = shutil.copytree(sd3, tmp_path / "model")
    assert named in refused(folder, damage, monkeypatch)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda f: (f / "transformer" / WEIGHTS).unlink(), "transformer holds no weights"),
        (lambda f: cut(f / "text_encoder_2" / "model.safetensors"), "text_encoder_2/model"),
        (lambda f: shutil.rmtree(f / "text_encoder_2"), "text_encoder_2 is missing"),
        (lambda f: shutil.rmtree(f / "tokenizer_2"), "tokenizer_2 is missing"),
        (lambda f: (f / "tokenizer" / "tokenizer.json").unlink(), "tokenizer/vocab.json"),
        (
            lambda f: change_json(f / "model_index.json", text_encoder_2=[None, None]),
            "model_index.json names no text_encoder_2",
        ),
        (
            lambda f: change_json(f / "vae/config.json", latent_channels=16),
            "has in_channels 16, but the channels of 2×2 of the vae's latents are 64",
        ),
        (
            lambda f: change_json(f / "text_encoder/config.json", hidden_size=64),
            "has pooled_projection_dim 32, but text_encoder gives 64",
        ),
        (
            lambda f: change_json(f / "text_encoder_2/config.json", d_model=48),
            "has joint_attention_dim 96, but text_encoder_2 gives 48",
        ),
        (
            lambda f: change_json(f / "scheduler/scheduler_config.json", _class_name="Nope"),
            "scheduler_config.json names an unknown class, Nope",
        ),
    ],
)
def test_what_is_wrong_with_a_flux_is_named_before_weights_are_read(
    flux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage, named: str
) -> None:
    folder = shutil.copytree(flux, tmp_path / "model")
    assert named in refused(folder, damage, monkeypatch)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (
            lambda f: change_json(f / "transformer/config.json", num_layers=5),
            "transformer cannot be loaded",
        ),
        (lambda f: change_json(f / "text_encoder_3/config.json", d_ff=8), "text_encoder_3"),
        (
            lambda f: (f / "tokenizer_3" / "tokenizer.json").write_text("{"),
            "tokenizer_3 is damaged",
        ),
    ],
)
def test_what_only_reading_tells_is_named_too(
    sd3: Path, tmp_path: Path, damage: Damage, named: str
) -> None:
    folder = shutil.copytree(sd3, tmp_path / "model")
    damage(folder)
    with pytest.raises(ModelError) as caught:
        load_model(folder, CPU, torch.float32)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_its_files_tell_what_suits_it(sd3: Path, flux: Path, tmp_path: Path) -> None:
    schnell = tiny_flow.flux(tmp_path / "m", guidance=False)
    for folder, facts in (
        (sd3, (64 * 64, 16, 20, 5.0, "Stable Diffusion 3")),
        (flux, (1024 * 1024, 16, 20, 3.5, "Flux")),
        (schnell, (1024 * 1024, 16, 4, 1.0, "Flux")),
    ):
        info = describe(folder)
        budget, steps = info.pixel_budget, info.default_steps
        assert (budget, info.multiple, steps, info.default_guidance, info.architecture) == facts


def test_sharded_half_precision_weights_of_t5_are_found(sd3: Path, tmp_path: Path) -> None:
    """As the hub has them: in several files, in a variant, under the index's other name."""
    folder = shutil.copytree(sd3, tmp_path / "model")
    encoder = folder / "text_encoder_3"
    shard = "model.fp16-00001-of-00001.safetensors"
    (encoder / "model.safetensors").rename(encoder / shard)
    with safe_open(encoder / shard, "pt") as file:
        names = dict.fromkeys(file.keys(), shard)
    index = {"metadata": {}, "weight_map": names}
    (encoder / "model.safetensors.index.fp16.json").write_text(json.dumps(index))
    model = load_model(folder, CPU, torch.float32)
    assert model.dtype == torch.float32
