"""LoRAs on SD3 and Flux, in diffusers' naming: diffusers' own pictures, within 1/255."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.errors import RequestError
from inference.families.load import load_model
from inference.loras import LoraUse
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.shelf import Shelf
from tests import tiny_adapters
from tests.integration.inference.flow_traffic import FlowReference
from tests.integration.inference.traffic import pixels, run, run_staggered

PARTS = {
    "sd3": ("transformer", "text_encoder", "text_encoder_2"),
    "flux": ("transformer", "text_encoder"),
}


def shelf_for(model: Path, root: Path, parts: tuple[str, ...]) -> Shelf:
    tiny_adapters.lora(root / "loras" / "ink.safetensors", model, parts=parts, seed=1)
    tiny_adapters.lora(root / "loras" / "wash.safetensors", model, parts=parts[:1], seed=2)
    return Shelf(root)


@pytest.mark.parametrize("model", PARTS)
def test_loras_alone_and_in_traffic_without_them(
    models: dict[str, Path], source: bytes, tmp_path: Path, model: str
) -> None:
    shelf = shelf_for(models[model], tmp_path, PARTS[model])
    driven = load_model(models[model], torch.device("cpu"), torch.float32, shelf=shelf)
    reference = FlowReference(models[model])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's advice about several adapters
        for name in ("ink", "wash"):
            reference.pipe.load_lora_weights(
                tmp_path / "loras",
                weight_name=f"{name}.safetensors",
                adapter_name=name,
                use_safetensors=True,
            )
    plain = GenerationRequest(
        prompt="a red house", steps=4, guidance=4.0, seed=3, width=64, height=64, image=source
    )
    mixes: list[tuple[LoraUse, ...]] = [
        (),
        (LoraUse(name="ink"),),
        (LoraUse(name="ink", weight=0.5), LoraUse(name="wash", weight=0.8)),
    ]
    requests = [plain.change(loras=mix) for mix in mixes]
    info = describe(models[model])
    strict = Engine(driven, info, EngineSettings())
    alone = [run(strict, [request])[0].images[0].data for request in requests]
    for request, data in zip(requests, alone, strict=True):
        expected = reference.run_with_loras(request)
        assert np.abs(pixels(data) - expected).max() <= 1, request.loras
    assert len(set(alone)) == len(mixes)
    traffic = run_staggered(strict, [(place, request) for place, request in enumerate(requests)])
    assert [result.images[0].data for result in traffic] == alone
    fast = Engine(driven, info, EngineSettings(strict=False, rows=8))
    for data, result in zip(alone, run(fast, requests), strict=True):
        assert np.abs(pixels(data) - pixels(result.images[0].data)).max() <= 1


@pytest.mark.parametrize(("model", "other"), [("sd3", "flux"), ("flux", "sd")])
def test_a_lora_for_another_model_is_refused_with_both_names(
    models: dict[str, Path], source: bytes, tmp_path: Path, model: str, other: str
) -> None:
    parts = ("unet",) if other == "sd" else PARTS[other][:1]
    shelf = shelf_for(models[other], tmp_path, parts)
    driven = load_model(models[model], torch.device("cpu"), torch.float32, shelf=shelf)
    engine = Engine(driven, describe(models[model]), EngineSettings())
    with pytest.raises(RequestError) as caught:
        run(engine, [GenerationRequest(prompt="", image=source, loras=(LoraUse(name="ink"),))])
    assert "“ink”" in str(caught.value)
    assert f"“{model}”" in str(caught.value)


def test_kohya_s_names_for_sd3_are_refused(
    models: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    (tmp_path / "loras").mkdir()
    layer = "lora_unet_joint_blocks_0_x_block_attn_qkv"
    tensors = {f"{layer}.lora_down.weight": torch.ones(2, 32)}
    tensors |= {f"{layer}.lora_up.weight": torch.ones(96, 2)}
    save_file(tensors, tmp_path / "loras/ink.safetensors")
    shelf = Shelf(tmp_path)
    driven = load_model(models["sd3"], torch.device("cpu"), torch.float32, shelf=shelf)
    engine = Engine(driven, describe(models["sd3"]), EngineSettings())
    with pytest.raises(RequestError, match=r"kohya's naming is read for .* and Flux only\."):
        run(engine, [GenerationRequest(prompt="", image=source, loras=(LoraUse(name="ink"),))])
