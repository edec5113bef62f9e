"""A folder that runs through its own pipeline: damage and unknown kinds are named at load."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from diffusers import StableUnCLIPImg2ImgPipeline

from inference.engine.engine import Engine
from inference.engine.factory import load_engine
from inference.engine.serial import SerialEngine
from inference.errors import ModelError
from inference.families.folder import ModelFolder
from inference.families.pipeline import PipelineModel
from inference.families.pipeline_kinds import find_kinds
from inference.families.pipeline_load import _assemble
from inference.model_info import describe
from tests import tiny, tiny_pipelines


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    return tiny_pipelines.instruct_pix2pix(root / "whole", checker=True)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (
            lambda f: change_json(f / "model_index.json", _class_name="NoSuchPipeline"),
            "model_index.json is of a kind that is not supported, NoSuchPipeline: diffusers ",
        ),
        (
            lambda f: change_json(f / "model_index.json", _class_name="UNet2DConditionModel"),
            "model_index.json is of a kind that is not supported, UNet2DConditionModel",
        ),
        (
            lambda f: change_json(f / "model_index.json", _class_name="FluxFillPipeline"),
            "not supported, FluxFillPipeline: it fills in masks",
        ),
        (
            lambda f: change_json(f / "model_index.json", _class_name="WanImageToVideoPipeline"),
            "not supported, WanImageToVideoPipeline: it makes videos",
        ),
        (lambda f: shutil.rmtree(f / "vae"), "vae is missing"),
        (lambda f: shutil.rmtree(f / "scheduler"), "scheduler is missing"),
        (lambda f: (f / "tokenizer" / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (
            lambda f: (f / "scheduler" / "scheduler_config.json").unlink(),
            "scheduler_config.json is missing",
        ),
        (lambda f: (f / "unet" / "config.json").unlink(), "unet/config.json is missing"),
        (lambda f: (f / "unet" / WEIGHTS).unlink(), "unet holds no weights"),
        (lambda f: cut(f / "unet" / WEIGHTS, 0.9), f"unet/{WEIGHTS} is damaged: it has"),
        (
            lambda f: cut(f / "text_encoder" / "model.safetensors", 0.5),
            "text_encoder/model.safetensors is damaged",
        ),
        (
            lambda f: change_json(f / "text_encoder" / "config.json", num_hidden_layers=3),
            "text_encoder does not fit its config.json",
        ),
        (
            lambda f: change_json(f / "unet" / "config.json", layers_per_block=2),
            "model/unet",
        ),
        (
            lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{"),
            "model/tokenizer cannot be loaded",
        ),
        (
            lambda f: change_json(f / "model_index.json", unet=["diffusers", "NoSuchModel"]),
            "model_index.json names an unknown class for unet, NoSuchModel",
        ),
        (
            lambda f: change_json(f / "model_index.json", unet=[None, None]),
            "model_index.json names no unet",
        ),
        (
            lambda f: change_json(f / "scheduler" / "scheduler_config.json", beta_schedule="odd"),
            "model/scheduler cannot be loaded",
        ),
    ],
)
def test_what_is_wrong_is_named(folder: Path, damage: Callable[[Path], object], named: str) -> None:
    damage(folder)
    with pytest.raises(ModelError) as caught:
        load_engine(describe(folder), "cpu")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_which_engine_it_is_the_folder_says(folder: Path, tmp_path: Path) -> None:
    assert isinstance(load_engine(describe(folder), "cpu").inner, SerialEngine)
    assert isinstance(load_engine(describe(tiny.sd(tmp_path / "sd")), "cpu").inner, Engine)


def test_a_safety_checker_is_left_out(folder: Path) -> None:
    assert not (folder / "safety_checker").exists()
    engine = load_engine(describe(folder), "cpu").inner
    pipe = engine._model._from_image.pipe  # type: ignore[union-attr]
    assert pipe.safety_checker is None
    assert not pipe.config.requires_safety_checker


@pytest.mark.parametrize("half", [("image_normalizer",), ("image_normalizer", "unet")])
def test_half_precision_weights_of_a_part_that_is_the_pipeline_s_own(
    tmp_path: Path, half: tuple[str, ...]
) -> None:
    folder = tiny_pipelines.unclip(tmp_path / "unclip")
    for part in half:
        (path,) = (folder / part).glob("*.safetensors")
        path.rename(path.with_suffix(".fp16.safetensors"))
    pipe = _assemble(ModelFolder(folder), StableUnCLIPImg2ImgPipeline, {})
    assert pipe.image_normalizer.mean[0, 0] == 7


def test_a_pipeline_beside_it_that_wants_more_parts_is_left_out(tmp_path: Path) -> None:
    engine = load_engine(describe(tiny_pipelines.unclip(tmp_path / "unclip")), "cpu").inner
    model = engine._model
    assert isinstance(model, PipelineModel)
    assert isinstance(model._from_image.pipe, StableUnCLIPImg2ImgPipeline)  # type: ignore[union-attr]
    assert model._from_text is None


@pytest.mark.parametrize(
    ("name", "from_image", "from_text"),
    [
        ("StableDiffusionInstructPix2PixPipeline", "itself", None),
        ("FluxKontextPipeline", "itself", "itself"),
        ("QwenImageEditPipeline", "itself", None),
        ("QwenImagePipeline", "QwenImageImg2ImgPipeline", "itself"),
        ("ZImageImg2ImgPipeline", "itself", "ZImagePipeline"),
        ("ChromaPipeline", "ChromaImg2ImgPipeline", "itself"),
        ("PixArtSigmaPipeline", None, "itself"),
        ("WuerstchenCombinedPipeline", None, "itself"),
        (
            "KandinskyV22CombinedPipeline",
            "KandinskyV22Img2ImgCombinedPipeline",
            "itself",
        ),
    ],
)
def test_the_classes_that_run_a_folder(
    name: str, from_image: str | None, from_text: str | None
) -> None:
    kinds = find_kinds(name, Path("model_index.json"))
    found = [kind and kind.__name__ for kind in (kinds.from_image, kinds.from_text)]
    assert found == [name if which == "itself" else which for which in (from_image, from_text)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("StableDiffusionInpaintPipeline", "it fills in masks"),
        ("StableDiffusionXLControlNetImg2ImgPipeline", "it wants a control picture"),
        ("StableDiffusionUpscalePipeline", "it enlarges pictures"),
        ("QwenImageLayeredPipeline", "it takes pictures apart into layers"),
        ("KandinskyV22PriorPipeline", "it is only one half of a model"),
        ("KandinskyImg2ImgPipeline", "it also wants image_embeds"),
        ("MarigoldDepthPipeline", "it takes no prompt"),
        ("StableAudioPipeline", "it makes sound"),
        ("SanaVideoPipeline", "it makes videos"),
    ],
)
def test_pipelines_for_something_else(name: str, reason: str) -> None:
    with pytest.raises(ModelError, match=f"{name}: {reason}"):
        find_kinds(name, Path("model_index.json"))
