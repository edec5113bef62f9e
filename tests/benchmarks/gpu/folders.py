"""Model folders of the real sizes with random weights, written without a network."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from inference.families.quiet import quiet
from tests import tiny
from tests.benchmarks.gpu.kinds import Kind


def write_folder(folder: Path, kind: Kind, device: torch.device) -> Path:
    """A diffusers folder; each part is made on the device, on a GPU in bf16.

    SDXL's takes 7 GB.
    """
    with quiet(), _made_on(device):
        for name, module in parts(kind):
            _randomise(module)
            module.save_pretrained(folder / name)
            del module
    for number in range(len(kind.texts)):
        tiny._tokenizer(folder / _numbered("tokenizer", number), pad="!" if number else _END)
    tiny._scheduler(folder, dict(kind.scheduler))
    index: dict[str, Any] = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", kind.vae["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
    }
    if kind.xl:
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
        index["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
        index["force_zeros_for_empty_prompt"] = True
        tiny._index(folder, "StableDiffusionXLPipeline", **index)
    else:
        none = [None, None]
        index |= {"safety_checker": none, "feature_extractor": none}
        tiny._index(folder, "StableDiffusionPipeline", requires_safety_checker=False, **index)
    return folder


def parts(kind: Kind) -> Iterator[tuple[str, Any]]:
    """Its modules by name, one after the other, so that a large one need not wait for the rest."""
    yield "unet", UNet2DConditionModel(**kind.unet)
    yield "vae", autoencoder(kind)
    for number, config in enumerate(kind.texts):
        encoder = CLIPTextModelWithProjection if number else CLIPTextModel
        yield _numbered("text_encoder", number), encoder(_text_config(config))


def autoencoder(kind: Kind) -> Any:
    """The vae."""
    config = dict(kind.vae)
    return getattr(diffusers, config.pop("_class_name"))(**config)


_END = "<|endoftext|>"


def _text_config(config: Any) -> CLIPTextConfig:
    """Its special tokens are those of the tests' tokenizer, which knows 514."""
    return CLIPTextConfig(**config, bos_token_id=512, eos_token_id=513, pad_token_id=513)


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number + 1}" if number else name


@contextlib.contextmanager
def _made_on(device: torch.device) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if device.type == "cpu" else torch.bfloat16)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)


@torch.no_grad()
def _randomise(module: Any) -> None:
    """Gaussian matrices and kernels of the variance that torch's own layers begin with.

    What they hold matters: a GPU multiplies zeros faster than noise.
    """
    for values in module.parameters():
        if values.ndim > 1:
            values.normal_(std=1 / math.sqrt(3 * values[0].numel()))
