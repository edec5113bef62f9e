"""LoRAs for Flux in the names of its original code, and of trainers, under those of diffusers.

`FluxPipeline.lora_state_dict` renames them too, but it leaves out without a word what it has no
name for, the embedders and the final layer among it, multiplies α into the file's half-precision
matrices, and knows the widths of the published model alone (diffusers 0.42.1).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from inference.lora_header import split_name

_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED_QKV = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

# Where the original has one layer for several, their outputs lie in it in this order. What a
# “processor” changes are the same layers, as XLabs' trainer calls them.
_IN_DOUBLE_BLOCKS = {
    "img_attn.qkv": _QKV,
    "img_attn.proj": ("attn.to_out.0",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "img_mod.lin": ("norm1.linear",),
    "txt_attn.qkv": _ADDED_QKV,
    "txt_attn.proj": ("attn.to_add_out",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
    "txt_mod.lin": ("norm1_context.linear",),
    "processor.qkv_lora1": _QKV,
    "processor.proj_lora1": ("attn.to_out.0",),
    "processor.qkv_lora2": _ADDED_QKV,
    "processor.proj_lora2": ("attn.to_add_out",),
}
_IN_SINGLE_BLOCKS = {
    "linear1": (*_QKV, "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation.lin": ("norm.linear",),
    "processor.qkv": _QKV,
    "processor.proj": ("proj_out",),
}
_OUTSIDE = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
# Scale and shift, the halves of what norm_out gives, are shift and scale in the original.
_SWAPPED = "final_layer_adaLN_modulation_1"

# kohya's scripts and OneTrainer, ComfyUI, peft, diffusers, and the original's own.
_PREFIXES = {
    "transformer": re.compile(
        r"lora_(unet|transformer)_|diffusion_model\.|base_model\.model\.|transformer\."
        r"|(?=(double|single)_blocks)"
    ),
    "text_encoder": re.compile(
        r"(lora_te1?_|text_encoders\.clip_l\.transformer\.|text_encoder\.)(text_model[._])?"
    ),
}
_ENDS = {"down": "lora_A.weight", "up": "lora_B.weight", "alpha": "alpha"}

Layers = Mapping[str, tuple[str, ...]]


def is_flux(networks: Mapping[str, nn.Module]) -> bool:
    """Whether these are the networks of a Flux."""
    return hasattr(networks.get("transformer"), "single_transformer_blocks")


def as_in_diffusers(
    tensors: Mapping[str, Tensor], networks: Mapping[str, nn.Module]
) -> dict[str, Tensor]:
    """A LoRA's tensors under the names that diffusers and peft use today.

    A layer that is several in diffusers becomes as many. A name that means no layer here stays.
    networks: a Flux's `transformer` and `text_encoder`, in which the layers are looked for.

    Raises ValueError where two names mean one tensor, or a layer's outputs are of another number.
    """
    known = {
        "transformer": _layers(networks["transformer"]),
        "text_encoder": _own(networks["text_encoder"]),
    }
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for new, part in _renamed(name, tensor, known, networks):
            if new in found:
                raise ValueError(f"“{new}” is there twice")
            found[new] = part
    return found


def _layers(transformer: nn.Module) -> dict[str, tuple[str, ...]]:
    """By their flat names in the original and in diffusers."""
    found = _own(transformer)
    found |= {_flat(name): (own,) for name, own in _OUTSIDE.items()}
    for blocks, original, inside in (
        ("transformer_blocks", "double_blocks", _IN_DOUBLE_BLOCKS),
        ("single_transformer_blocks", "single_blocks", _IN_SINGLE_BLOCKS),
    ):
        for place in range(len(getattr(transformer, blocks))):
            for name, own in inside.items():
                parts = tuple(f"{blocks}.{place}.{part}" for part in own)
                found[_flat(f"{original}.{place}.{name}")] = parts
    return found


def _own(network: nn.Module) -> dict[str, tuple[str, ...]]:
    names = [name for name, _ in network.named_modules() if name]
    return {_flat(name.removeprefix("text_model.")): (name,) for name in names}


def _flat(name: str) -> str:
    """As kohya's scripts write it."""
    return name.replace(".", "_")


def _renamed(
    name: str, tensor: Tensor, known: Mapping[str, Layers], networks: Mapping[str, nn.Module]
) -> Iterator[tuple[str, Tensor]]:
    layer, role = split_name(name) or (name, "")
    for network, prefix in _PREFIXES.items():
        match = prefix.match(layer)
        flat = _flat(layer[match.end() :]) if match is not None else ""
        parts = known[network].get(flat, ())
        pieces = [tensor] * len(parts)
        if role == "up" and flat == _SWAPPED:
            pieces = [torch.cat(tensor.chunk(2)[::-1])]
        elif role == "up" and len(parts) > 1:
            pieces = _outputs(tensor, layer, [networks[network].get_submodule(p) for p in parts])
        for part, piece in zip(parts, pieces, strict=True):
            # Each a tensor of its own, as whoever reads them tells them apart by that.
            yield f"{network}.{part}.{_ENDS[role]}", piece.view_as(piece)
        if parts:
            return
    yield name, tensor


def _outputs(up: Tensor, layer: str, parts: list[Any]) -> list[Tensor]:
    """Those of each part."""
    widths = [part.out_features for part in parts]
    if up.shape[0] != sum(widths):
        raise ValueError(f"there “{layer}” has {sum(widths)} outputs, in it {up.shape[0]}")
    return list(up.split(widths))
