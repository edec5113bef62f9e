"""One LoRA for Flux in the names of several trainers: the same picture, to the last bit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families.load import load_model
from inference.loras import LoraUse
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.shelf import Shelf
from tests.integration.inference.traffic import run

RANK, ALPHA, WIDE = 4, 2.0, 32
QKV = ("to_q", "to_k", "to_v")
ADDED = ("add_q_proj", "add_k_proj", "add_v_proj")

# Layer in the original, inputs, and the layers and their outputs in diffusers.
LAYERS = [
    ("double_blocks.1.img_attn.qkv", WIDE, {f"transformer_blocks.1.attn.{n}": 32 for n in QKV}),
    ("double_blocks.0.txt_attn.qkv", WIDE, {f"transformer_blocks.0.attn.{n}": 32 for n in ADDED}),
    ("double_blocks.0.img_attn.proj", WIDE, {"transformer_blocks.0.attn.to_out.0": 32}),
    ("double_blocks.0.txt_mlp.2", 128, {"transformer_blocks.0.ff_context.net.2": 32}),
    ("double_blocks.1.img_mod.lin", WIDE, {"transformer_blocks.1.norm1.linear": 192}),
    (
        "single_blocks.0.linear1",
        WIDE,
        {f"single_transformer_blocks.0.attn.{n}": 32 for n in QKV}
        | {"single_transformer_blocks.0.proj_mlp": 128},
    ),
    ("single_blocks.1.linear2", 160, {"single_transformer_blocks.1.proj_out": 32}),
    ("single_blocks.0.modulation.lin", WIDE, {"single_transformer_blocks.0.norm.linear": 96}),
    ("time_in.in_layer", 256, {"time_text_embed.timestep_embedder.linear_1": 32}),
    ("img_in", 16, {"x_embedder": 32}),
    ("final_layer.linear", WIDE, {"proj_out": 16}),
    ("final_layer.adaLN_modulation.1", WIDE, {"norm_out.linear": 64}),
]
WORDS = "text_model.encoder.layers.0.self_attn.q_proj"
PREFIXES = {  # of the transformer's layers and of the text encoder's
    "kohya": ("lora_unet_", "lora_te1_"),
    "comfy": ("diffusion_model.", "text_encoders.clip_l.transformer."),
    "onetrainer": ("lora_transformer_", "lora_te1_"),
    "half-way": ("transformer.", "text_encoder."),
}


def tensors(form: str) -> dict[str, Tensor]:
    """diffusers' own form has no α: there it is part of the weights."""
    numbers = torch.Generator().manual_seed(1)
    found: dict[str, Tensor] = {}
    for original, inputs, parts in [*LAYERS, (WORDS, 32, {WORDS: 32})]:
        down = torch.randn(RANK, inputs, generator=numbers) * 0.3
        ups = {
            part: torch.randn(outputs, RANK, generator=numbers) * 0.3
            for part, outputs in parts.items()
        }
        of_words = original == WORDS
        if form == "diffusers":
            for part, up in ups.items():
                name = f"{'text_encoder' if of_words else 'transformer'}.{part}"
                found[f"{name}.lora_A.weight"] = down.clone()
                found[f"{name}.lora_B.weight"] = up * (ALPHA / RANK)
            continue
        prefix = PREFIXES[form][of_words]
        if form == "onetrainer":
            named = {prefix + part.replace(".", "_"): up for part, up in ups.items()}
        elif form == "half-way":
            named = {prefix + part: up for part, up in ups.items()}
        else:
            up = torch.cat(list(ups.values()))
            if "adaLN" in original:  # its halves are shift and scale, diffusers' the other way
                up = torch.cat([up[32:], up[:32]])
            flat = original.replace(".", "_") if form == "kohya" else original
            named = {prefix + flat: up}
        for name, up in named.items():
            found[f"{name}.lora_down.weight"] = down.clone()
            found[f"{name}.lora_up.weight"] = up
            found[f"{name}.alpha"] = torch.tensor(ALPHA)
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "loras").mkdir()
    for form in ("diffusers", *PREFIXES):
        save_file(tensors(form), tmp_path / f"loras/{form}.safetensors")
    return tmp_path


def test_every_naming_gives_the_picture_of_diffusers_own(
    models: dict[str, Path], source: bytes, home: Path
) -> None:
    shelf = Shelf(home)
    model = load_model(models["flux"], torch.device("cpu"), torch.float32, shelf=shelf)
    engine = Engine(model, describe(models["flux"]), EngineSettings())
    plain = GenerationRequest(
        prompt="a red house", steps=3, guidance=4.0, seed=3, width=64, height=64, image=source
    )
    names = [None, "diffusers", *PREFIXES]
    pictures = [
        run(engine, [plain.change(loras=(LoraUse(name=name),) if name else ())])[0].images[0].data
        for name in names
    ]
    assert pictures[0] != pictures[1]
    assert pictures[1:] == [pictures[1]] * len(pictures[1:])
