"""Image adapters with random weights for the tiny models, as the published ones are laid out."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

WEIGHTS = "ip-adapter_sd15.safetensors"


def image_adapter(
    folder: Path,
    model: Path,
    *,
    side: int = 32,
    vector: int = 24,
    tokens: int = 4,
    seed: int = 5,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """One for a tiny model's folder: a file of weights and `image_encoder`.

    side: of what the image encoder sees, in pixels. vector: the width of what it makes of it.
    """
    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=vector,
        image_size=side,
        patch_size=8,
    )
    encoder = CLIPVisionModelWithProjection(config)
    with torch.no_grad():
        # As initialised all pictures would look the same to it.
        for parameter in encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.2)
    encoder.save_pretrained(folder / "image_encoder")
    weights = {name: part.to(dtype) for name, part in state(model, vector, tokens).items()}
    save_file(weights, folder / WEIGHTS)
    return folder


def state(model: Path, vector: int, tokens: int) -> dict[str, Tensor]:
    """The weights under their published names."""
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    width = int(unet.config.cross_attention_dim)
    shapes = {
        "image_proj.proj.weight": (tokens * width, vector),
        "image_proj.proj.bias": (tokens * width,),
        "image_proj.norm.weight": (width,),
        "image_proj.norm.bias": (width,),
    }
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(names):
        layer = unet.get_submodule(name.removesuffix(".processor"))
        for end, own in (("to_k_ip", layer.to_k), ("to_v_ip", layer.to_v)):
            shapes[f"ip_adapter.{2 * number + 1}.{end}.weight"] = tuple(own.weight.shape)
    return {name: torch.randn(shape) * 0.5 for name, shape in shapes.items()}
