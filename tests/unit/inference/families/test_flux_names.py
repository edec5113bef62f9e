"""Flux's LoRAs in the names of its original code and of trainers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from diffusers.utils.state_dict_utils import (
    convert_state_dict_to_diffusers,
    convert_state_dict_to_peft,
)
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel

from inference.errors import RequestError
from inference.families.lora_weights import LoraPairs, read_lora
from inference.model_info import ModelInfo
from inference.shelf import Shelf
from tests import tiny

WIDE, TEXT, RANK = 3072, 32, 2
FLUX = ModelInfo(id="flux", title="", location="/none", architecture="Flux")
Sizes = dict[str, tuple[int, int]]

IN_BLOCKS: Sizes = {
    "double_blocks.0.img_attn.qkv": (WIDE, 3 * WIDE),
    "double_blocks.0.img_attn.proj": (WIDE, WIDE),
    "double_blocks.0.img_mlp.0": (WIDE, 4 * WIDE),
    "double_blocks.0.img_mlp.2": (4 * WIDE, WIDE),
    "double_blocks.0.img_mod.lin": (WIDE, 6 * WIDE),
    "double_blocks.0.txt_attn.qkv": (WIDE, 3 * WIDE),
    "double_blocks.0.txt_attn.proj": (WIDE, WIDE),
    "double_blocks.0.txt_mlp.0": (WIDE, 4 * WIDE),
    "double_blocks.0.txt_mlp.2": (4 * WIDE, WIDE),
    "double_blocks.0.txt_mod.lin": (WIDE, 6 * WIDE),
    "single_blocks.0.linear1": (WIDE, 7 * WIDE),
    "single_blocks.0.linear2": (5 * WIDE, WIDE),
    "single_blocks.0.modulation.lin": (WIDE, 3 * WIDE),
}
OUTSIDE: Sizes = {
    "img_in": (64, WIDE),
    "txt_in": (4096, WIDE),
    "time_in.in_layer": (256, WIDE),
    "time_in.out_layer": (WIDE, WIDE),
    "vector_in.in_layer": (768, WIDE),
    "vector_in.out_layer": (WIDE, WIDE),
    "guidance_in.in_layer": (256, WIDE),
    "guidance_in.out_layer": (WIDE, WIDE),
    "final_layer.linear": (WIDE, 64),
    "final_layer.adaLN_modulation.1": (WIDE, 2 * WIDE),
}
WORDS: Sizes = {
    f"text_model.encoder.layers.1.{layer}": (TEXT, TEXT)
    for layer in ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")
}
OF_XLABS: Sizes = {
    "double_blocks.0.processor.qkv_lora1": (WIDE, 3 * WIDE),
    "double_blocks.0.processor.proj_lora1": (WIDE, WIDE),
    "double_blocks.0.processor.qkv_lora2": (WIDE, 3 * WIDE),
    "double_blocks.0.processor.proj_lora2": (WIDE, WIDE),
    "single_blocks.0.processor.qkv_lora": (WIDE, 3 * WIDE),
    "single_blocks.0.processor.proj_lora": (5 * WIDE, WIDE),
}
KOHYAS = (".lora_down.weight", ".lora_up.weight")


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    """As wide as the published model, but without weights; and a small text encoder."""
    with torch.device("meta"):
        transformer = FluxTransformer2DModel(
            num_layers=1, num_single_layers=1, guidance_embeds=True
        )
    return {"transformer": transformer, "text_encoder": CLIPTextModel(tiny._text_config(TEXT))}


def pair(layer: str, sizes: tuple[int, int], ends: tuple[str, str] = KOHYAS) -> dict[str, Tensor]:
    inputs, outputs = sizes
    return {
        layer + ends[0]: torch.randn(RANK, inputs),
        layer + ends[1]: torch.randn(outputs, RANK),
    }


def pairs(layers: Sizes, alpha: float) -> dict[str, Tensor]:
    tensors = {f"{layer}.alpha": torch.tensor(alpha) for layer in layers}
    for layer, sizes in layers.items():
        tensors |= pair(layer, sizes)
    return tensors


def kohyas(prefix: str, layers: Sizes, alpha: float) -> dict[str, Tensor]:
    flat = {prefix + layer.replace(".", "_"): sizes for layer, sizes in layers.items()}
    return pairs(flat, alpha)


def comfys(layers: Sizes, words: Sizes, alpha: float) -> dict[str, Tensor]:
    named = {f"diffusion_model.{layer}": sizes for layer, sizes in layers.items()}
    named |= {f"text_encoders.clip_l.transformer.{layer}": sizes for layer, sizes in words.items()}
    return pairs(named, alpha)


def read(folder: Path, tensors: dict[str, Tensor], networks: dict[str, Any]) -> LoraPairs:
    (folder / "loras").mkdir(exist_ok=True)
    save_file(tensors, folder / "loras/ink.safetensors")
    return read_lora(Shelf(folder).lora("ink"), networks, FLUX)


def answers(read: LoraPairs) -> dict[str, Tensor]:
    """What each layer gains for an input of ones."""
    found = {}
    for network, layers in read.items():
        for layer, both in layers.items():
            gained = both.up @ both.down.sum(1) * both.scale
            found[f"{network}.{layer.removeprefix('text_model.')}"] = gained
    return found


def diffusers_answers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Likewise, by diffusers' own reading of the file."""
    named = FluxPipeline.lora_state_dict(dict(tensors))
    words = {name: named.pop(name) for name in list(named) if name.startswith("text_encoder.")}
    if words:
        named |= convert_state_dict_to_peft(convert_state_dict_to_diffusers(words))
    found = {}
    for name, down in named.items():
        layer = name.removesuffix(".lora_A.weight")
        if layer != name:
            if not layer.startswith(("transformer.", "text_encoder.")):
                layer = f"transformer.{layer}"  # which it forgets outside the blocks
            up = named[name.replace("lora_A", "lora_B")]
            found[layer.replace("text_model.", "")] = up @ down.sum(1)
    return found


@pytest.mark.parametrize("form", ["kohya", "comfy", "xlabs"])
def test_layers_change_as_diffusers_says(
    networks: dict[str, Any], tmp_path: Path, form: str
) -> None:
    torch.manual_seed(0)
    if form == "kohya":
        tensors = kohyas("lora_unet_", IN_BLOCKS, alpha=0.6)
        tensors |= kohyas("lora_unet_", OUTSIDE, alpha=RANK)  # diffusers ignores some of these α
        tensors |= kohyas("lora_te1_", WORDS, alpha=0.6)
    elif form == "comfy":
        tensors = comfys(IN_BLOCKS, WORDS, alpha=0.6)
    else:
        tensors = {}
        for layer, sizes in OF_XLABS.items():
            tensors |= pair(layer, sizes, (".down.weight", ".up.weight"))
    found = answers(read(tmp_path, tensors, networks))
    expected = diffusers_answers(tensors)
    assert found.keys() == expected.keys()
    for name, gained in expected.items():
        assert torch.allclose(found[name], gained, atol=1e-3), name


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (
            kohyas("lora_te3_", {"encoder.block.0.layer.0.SelfAttention.q": (8, 8)}, 1.0),
            "it has no layer “lora_te3_encoder_block_0_layer_0_SelfAttention_q”.",
        ),
        (
            pair("text_encoders.t5xxl.transformer.encoder.block.0.q", (8, 8)),
            "it has no layer “text_encoders.t5xxl.transformer.encoder.block.0.q”.",
        ),
        (
            kohyas("lora_te1_", {"text_projection": (TEXT, TEXT)}, 1.0),
            "it has no layer “lora_te1_text_projection”.",
        ),
        (
            kohyas("lora_unet_", {"double_blocks.1.img_mlp.0": (WIDE, 4 * WIDE)}, 1.0),
            "it has no layer “lora_unet_double_blocks_1_img_mlp_0”.",
        ),
        (
            kohyas("lora_unet_", {"double_blocks.0.img_attn.qkv": (WIDE, 96)}, 1.0),
            "there “lora_unet_double_blocks_0_img_attn_qkv” has 9216 outputs, in it 96.",
        ),
        (
            kohyas("lora_unet_", {"double_blocks.0.img_mlp.0": (32, 128)}, 1.0),
            "there “transformer_blocks.0.ff.net.0.proj” is 12288×3072, in it 128×32.",
        ),
        (
            pair("double_blocks.0.img_mlp.0", (WIDE, 4 * WIDE))
            | pair("transformer.transformer_blocks.0.ff.net.0.proj", (WIDE, 4 * WIDE))
            | pair("diffusion_model.double_blocks.0.img_mlp.0", (WIDE, 4 * WIDE)),
            "“transformer.transformer_blocks.0.ff.net.0.proj.lora_A.weight” is there twice.",
        ),
    ],
)
def test_what_has_no_layer_or_does_not_fit_is_refused_as_a_whole(
    networks: dict[str, Any], tmp_path: Path, tensors: dict[str, Tensor], says: str
) -> None:
    good = kohyas("lora_unet_", {"single_blocks.0.linear2": (5 * WIDE, WIDE)}, 1.0)
    with pytest.raises(RequestError) as caught:
        read(tmp_path, good | tensors, networks)
    assert "The LoRA “ink”" in str(caught.value)
    assert str(caught.value).endswith(says)
