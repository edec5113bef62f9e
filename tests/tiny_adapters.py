"""LoRA and embedding files with random weights for the tiny models, written as trainers do."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

_WEIGHTS = {"unet": "diffusion_pytorch_model", "transformer": "diffusion_pytorch_model"}
_USUAL = re.compile(r"(attn\d?|ff|ff_context|mlp)\.|proj_(in|out)$")
_SUFFIXES = {
    "peft": (".lora_A.weight", ".lora_B.weight"),
    "old": (".lora.down.weight", ".lora.up.weight"),
    "processor": ("_lora.down.weight", "_lora.up.weight"),
    "kohya": (".lora_down.weight", ".lora_up.weight"),
    "sgm": (".lora_down.weight", ".lora_up.weight"),
}
STYLES = tuple(_SUFFIXES)
"""diffusers' today, before, and at first (attention only), and kohya's; with the names that the
UNet has in SDXL's original code, as its trainers use them."""


def layers(model: Path, part: str, wanted: re.Pattern[str] = _USUAL) -> Iterator[tuple[str, Any]]:
    """The layers that LoRAs usually change, with the shapes of their weights."""
    path = model / part / f"{_WEIGHTS.get(part, 'model')}.safetensors"
    with safe_open(path, framework="pt") as file:
        for name in sorted(file.keys()):
            shape = tuple(file.get_slice(name).get_shape())
            layer = name.removesuffix(".weight")
            if layer != name and len(shape) > 1 and wanted.search(layer):
                yield layer, shape


def lora(
    path: Path,
    model: Path,
    *,
    parts: tuple[str, ...] = ("unet",),
    style: str = "peft",
    rank: int = 4,
    alpha: float | None = None,
    amount: float = 0.3,
    seed: int = 1,
    wanted: re.Pattern[str] = _USUAL,
    dtype: torch.dtype = torch.float32,
    metadata: dict[str, str] | None = None,
    extra: Mapping[str, torch.Tensor] | None = None,
) -> Path:
    """One for a tiny model's folder; alpha: only kohya's files hold one.

    amount: of change, the standard deviation of both matrices. extra: tensors to be added.
    """
    numbers = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for part in parts:
        for layer, (outputs, inputs, *window) in layers(model, part, wanted):
            down, up = (
                torch.randn(shape, generator=numbers) * amount
                for shape in ((rank, inputs, *window), (outputs, rank, *(1 for _ in window)))
            )
            name = _name(style, model, part, layer)
            ends = _SUFFIXES[style]
            if style in ("old", "processor") and part != "unet":
                ends = (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight")
            tensors |= {name + ends[0]: down, name + ends[1]: up}
            if alpha is not None and style in ("kohya", "sgm"):
                tensors[f"{name}.alpha"] = torch.tensor(alpha)
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()} | dict(extra or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    return path


def peft_metadata(part: str, **values: Any) -> dict[str, str]:
    """What diffusers writes beside the weights."""
    settings = {f"{part}.{name}": value for name, value in values.items()}
    return {"format": "pt", "lora_adapter_metadata": json.dumps(settings)}


def embedding(
    path: Path, *widths: int, vectors: int = 1, name: str = "emb_params", seed: int = 1
) -> Path:
    """One for a text encoder of this width, or for SDXL's two."""
    numbers = torch.Generator().manual_seed(seed)
    names = [name] if len(widths) == 1 else ["clip_l", "clip_g"]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            name: torch.randn(vectors, width, generator=numbers) * 0.05
            for name, width in zip(names, widths, strict=True)
        },
        path,
    )
    return path


def _name(style: str, model: Path, part: str, layer: str) -> str:
    if part.startswith("text_encoder") and not layer.startswith("text_model."):
        layer = f"text_model.{layer}"  # as it was called when most files were made
    if style == "processor" and part == "unet":
        layer = re.sub(r"(attn\d)\.(to_[a-z]+)(\.0)?$", r"\1.processor.\2", layer)
    if style not in ("kohya", "sgm"):
        return f"{part}.{layer}"
    if style == "sgm":
        layer = _original(layer)
    first = "lora_te1" if (model / "text_encoder_2").exists() else "lora_te"
    prefix = {"unet": "lora_unet", "text_encoder": first, "text_encoder_2": "lora_te2"}[part]
    return f"{prefix}_{layer.replace('.', '_')}"


def _original(layer: str) -> str:
    """As the attention of a UNet with one layer in each block is called in SDXL's code."""
    side, _, rest = layer.partition(".")
    if side == "mid_block":
        return rest.replace("attentions.0", "middle_block.1")
    block, _, place, *inner = rest.split(".")
    if side == "down_blocks":
        return ".".join([f"input_blocks.{2 * int(block) + 1 + int(place)}.1", *inner])
    return ".".join([f"output_blocks.{2 * int(block) + int(place)}.1", *inner])
