"""What a LoRA's file tells in its header: whether it is a plain one, and what it was made for."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from inference.safetensors_file import Header

# How trainers end the names of a layer's two matrices (Hu et al. 2021, arXiv:2106.09685: A goes
# down to the rank, B up again) and of its α: kohya's scripts, peft, diffusers in older days, and
# XLabs' trainer.
_SUFFIXES = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".down.weight": "down",
    ".up.weight": "up",
    ".alpha": "alpha",
}
_OTHER_KINDS = {
    "hada_": "a LoHa",
    "lokr_": "a LoKr",
    "dora_scale": "a DoRA",
    "lora_magnitude_vector": "a DoRA",
    "lora_mid": "a LoCon of the decomposed kind",
    "oft_": "an OFT",
    "a1.weight": "a GLoRA",
    "on_input": "an (IA)³",
    ".diff": "one that also replaces weights",
    ".lora_B.bias": "one with biases",
}
_BY_CROSS_ATTENTION = {
    768: "Stable Diffusion 1",
    1024: "Stable Diffusion 2",
    1280: "SDXL refiner",
    2048: "SDXL",
}
_BY_NAME = (
    (re.compile(r"(single|double)_(transformer_)?blocks"), "Flux"),
    (re.compile(r"joint_blocks"), "Stable Diffusion 3"),
)
_SECOND_ENCODER = re.compile(r"lora_te2_|text_encoder_2\.")
_TRANSFORMER = re.compile(r"transformer\.|lora_transformer_")
_BY_METADATA = (
    (re.compile(r"flux", re.I), "Flux"),
    (re.compile(r"^sd_?3|stable-diffusion-(v?3|3\.5)", re.I), "Stable Diffusion 3"),
    (re.compile(r"refiner", re.I), "SDXL refiner"),
    (re.compile(r"sdxl|stable-diffusion-xl", re.I), "SDXL"),
    (re.compile(r"^sd_?v?2|stable-diffusion-v?2", re.I), "Stable Diffusion 2"),
    (re.compile(r"^sd_?v?1|stable-diffusion-v?1", re.I), "Stable Diffusion 1"),
)
_CONTEXT_LAYER = re.compile(r"attn2[._](processor\.)?to[._][kv]")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraFacts:
    """base: the architecture it was made for, as `ModelInfo` names them; "" where nobody can tell.

    context: width of the text that its cross-attention reads, or None where it has none.
    """

    base: str
    context: int | None


def split_name(name: str) -> tuple[str, str] | None:
    """A tensor's name as its layer and `down`, `up` or `alpha`; None for any other."""
    for suffix, role in _SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), role
    return None


def read_facts(header: Header) -> LoraFacts:
    """Raises ValueError, which says in a few words what it is, for what is no plain LoRA."""
    layers: dict[str, set[str]] = {}
    for name, shape in header.shapes.items():
        layer = split_name(name)
        if layer is None:
            raise ValueError(_kind_of(name))
        is_scalar = math.prod(shape) == 1
        if not is_scalar if layer[1] == "alpha" else len(shape) < 2 or 0 in shape:
            raise ValueError(f"one whose “{name}” has a strange shape")
        layers.setdefault(layer[0], set()).add(layer[1])
    halves = [layer for layer, roles in layers.items() if not {"down", "up"} <= roles]
    if halves:
        raise ValueError(f"one that lacks half of “{halves[0]}”")
    if not layers:
        raise ValueError("an empty file")
    context = _context(header.shapes)
    return LoraFacts(base=_base(layers, context, header.metadata), context=context)


def _kind_of(name: str) -> str:
    for part, kind in _OTHER_KINDS.items():
        if part in name:
            return kind
    return f"one with “{name}” in it"


def _context(shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    for name, shape in shapes.items():
        layer = split_name(name)
        if layer is not None and layer[1] == "down" and _CONTEXT_LAYER.search(layer[0]):
            return shape[1] if len(shape) > 1 else None
    return None


def _base(layers: Collection[str], context: int | None, metadata: Mapping[str, str]) -> str:
    """By what cannot be wrong, shapes and names; else by what its trainer wrote into it."""
    for pattern, base in _BY_NAME:
        if any(pattern.search(layer) for layer in layers):
            return base
    if context in _BY_CROSS_ATTENTION:
        return _BY_CROSS_ATTENTION[context]
    # Stable Diffusion 3 and Flux have a second text encoder too.
    if any(map(_SECOND_ENCODER.match, layers)) and not any(map(_TRANSFORMER.match, layers)):
        return "SDXL"
    for key in ("modelspec.architecture", "ss_base_model_version"):
        for pattern, base in _BY_METADATA:
            if pattern.search(metadata.get(key, "")):
                return base
    return ""
