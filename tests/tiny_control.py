"""A tiny ControlNet with random weights for a tiny model, its zero convolutions not zero."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

WEIGHTS = "diffusion_pytorch_model.safetensors"


def control(folder: Path, model: Path, *, seed: int = 0, **settings: Any) -> Path:
    """Writes one for the model in a folder of its own.

    settings: of the model's `palimpsest.json`, to which they are added.
    """
    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    network = ControlNetModel.from_unet(unet)
    ends = (*network.controlnet_down_blocks, network.controlnet_mid_block)
    # Its eyes too, or next to nothing of the picture would come through their eight layers.
    eyes = network.controlnet_cond_embedding.modules()
    for layer in (*ends, *eyes):
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=2 / layer.weight[0].numel() ** 0.5)
            nn.init.normal_(layer.bias, std=0.1)
    network.save_pretrained(folder)
    if settings:
        path = model / "palimpsest.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(known | settings))
    return folder
