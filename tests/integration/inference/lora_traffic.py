"""Tiny models with shelves of LoRAs, and diffusers' own pipelines with the same ones loaded."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families.base import DiffusionModel
from inference.families.load import load_model
from inference.loras import take_loras
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.shelf import Shelf
from tests import tiny_adapters
from tests.integration.inference.traffic import Reference

BOTH = ("unet", "text_encoder")
ALL = ("unet", "text_encoder", "text_encoder_2")
FILES: dict[str, dict[str, dict[str, Any]]] = {
    "sd": {
        "ink": {"style": "peft", "seed": 1},
        "wash": {"style": "kohya", "parts": BOTH, "alpha": 2.0, "seed": 2},
        "chalk": {"style": "old", "parts": BOTH, "rank": 2, "seed": 3},
    },
    "sdxl": {
        "ink": {"style": "peft", "parts": ALL, "seed": 1},
        "wash": {"style": "kohya", "parts": ALL, "alpha": 8.0, "rank": 8, "amount": 0.2, "seed": 2},
        "chalk": {"style": "old", "parts": ("text_encoder_2", "unet"), "seed": 3},
    },
}
MIXES = (
    "",
    "<lora:ink:1>",
    "<lora:wash:0.7>",
    "<lora:chalk:-0.5>",
    "<lora:ink:0.4><lora:wash:0.9>",
    "<lora:chalk:0.5><lora:ink:0.5><lora:wash:0.5>",
)


def fill_shelf(root: Path, model: Path) -> Path:
    """The LoRAs of FILES for a tiny model, as an owner's models folder has them."""
    for name, options in FILES[model.name].items():
        tiny_adapters.lora(root / f"loras/{name}.safetensors", model, **options)
    return root


def load_with(model: Path, shelf: Path) -> DiffusionModel:
    cpu = torch.device("cpu")
    return load_model(model, cpu, torch.float32, shelf=Shelf(shelf))


def engine_for(driven: DiffusionModel, model: Path, **settings: Any) -> Engine:
    return Engine(driven, describe(model), EngineSettings(**settings))


def asked(prompt: str, source: bytes | None, **values: Any) -> GenerationRequest:
    """A request whose LoRAs stand in the prompt."""
    rest, loras = take_loras(prompt)
    return GenerationRequest(prompt=rest, loras=loras, image=source, **{"steps": 4, **values})


class LoraReference:
    """diffusers' pipelines with all LoRAs of a shelf loaded."""

    def __init__(self, model: Path, shelf: Path) -> None:
        self._reference = Reference(model)
        self.pipe = self._reference._from_image
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft's advice about several adapters
            for path in sorted((shelf / "loras").glob("*.safetensors")):
                self.pipe.load_lora_weights(
                    path.parent,
                    weight_name=path.name,
                    adapter_name=path.stem,
                    use_safetensors=True,
                )

    def run(self, request: GenerationRequest) -> NDArray[np.int16]:
        if not request.loras:
            self.pipe.disable_lora()
            return self._reference.run(request)
        self.pipe.enable_lora()
        names = [lora.name for lora in request.loras]
        self.pipe.set_adapters(names, [lora.weight for lora in request.loras])
        return self._reference.run(request)
