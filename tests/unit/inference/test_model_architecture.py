"""What a model's kind is called, and which autoencoders its folder asks for."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from inference.errors import ModelError
from inference.model_info import describe, revision
from tests.model_folders import write_model


@pytest.mark.parametrize(
    ("kind", "part", "extra", "name"),
    [
        ("StableDiffusionPipeline", "unet", {"cross_attention_dim": 768}, "Stable Diffusion 1"),
        ("StableDiffusionImg2ImgPipeline", "unet", {"cross_attention_dim": 1024},
         "Stable Diffusion 2"),
        ("LatentConsistencyModelPipeline", "unet", {"cross_attention_dim": 768},
         "Stable Diffusion 1"),
        ("StableDiffusionPipeline", "unet", {"cross_attention_dim": 32}, "Stable Diffusion"),
        ("StableDiffusionPipeline", "unet", {"cross_attention_dim": [768, 32]}, "Stable Diffusion"),
        ("StableDiffusionPipeline", "unet", {}, "Stable Diffusion"),
        ("StableDiffusion3Pipeline", "transformer", {}, "Stable Diffusion 3"),
        ("FluxPipeline", "transformer", {}, "Flux"),
        ("FluxKontextPipeline", "transformer", {}, "FluxKontext"),
        ("StableDiffusionInstructPix2PixPipeline", "unet", {}, "StableDiffusionInstructPix2Pix"),
        ("Pix2Pix", "generator", {}, "pix2pix"),
    ],
)  # fmt: skip
def test_architectures(
    tmp_path: Path, kind: str, part: str, extra: dict[str, Any], name: str
) -> None:
    folder = write_model(tmp_path / "m", kind=kind, part=part, part_extra=extra)
    assert describe(folder).architecture == name


@pytest.mark.parametrize(
    ("text_encoder", "name"),
    [(["transformers", "CLIPTextModel"], "SDXL"), ([None, None], "SDXL refiner")],
)
def test_the_refiner_lacks_the_first_text_encoder(
    tmp_path: Path, text_encoder: list[str | None], name: str
) -> None:
    folder = write_model(tmp_path / "m")
    index = {"_class_name": "StableDiffusionXLPipeline", "text_encoder": text_encoder}
    (folder / "model_index.json").write_text(json.dumps(index))
    assert describe(folder).architecture == name


def own(folder: Path, **values: object) -> None:
    (folder / "palimpsest.json").write_text(json.dumps(values))


def test_autoencoders_are_looked_for_from_the_models_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "models" / "m")
    assert (describe(folder).vae, describe(folder).preview_vae) == (None, None)
    own(folder, vae="../../vae", preview_vae=str(tmp_path / "taesd"))
    info = describe(folder)
    assert (info.vae, info.preview_vae) == (str(tmp_path / "vae"), str(tmp_path / "taesd"))
    assert info.with_vae(None) is info
    assert info.with_vae(tmp_path / "third").vae == str(tmp_path / "third")


def test_a_path_is_a_text(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    own(folder, vae=7)
    with pytest.raises(ModelError, match=r"palimpsest\.json holds a wrong value: vae"):
        describe(folder)


def test_without_an_own_autoencoder_the_other_one_gives_the_scale(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    (write_model(tmp_path / "other", vae_blocks=3) / "vae").rename(tmp_path / "vae")
    own(folder, vae="../vae")
    assert describe(folder).multiple == 8
    shutil.rmtree(folder / "vae")
    assert describe(folder).multiple == 4


def test_the_revision_changes_with_the_autoencoder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    vae = tmp_path / "vae"
    vae.mkdir()
    (vae / "config.json").write_text("{}")
    (vae / "model.safetensors").write_bytes(bytes(10))
    seen = [revision(str(folder)), revision(str(folder), str(vae))]
    (vae / "model.safetensors").write_bytes(bytes(9) + b"\1")
    seen.append(revision(str(folder), str(vae)))
    assert len(set(seen)) == 3
    assert revision("someone/never-downloaded", str(vae)) == ""
