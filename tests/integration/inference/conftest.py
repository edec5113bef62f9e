from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families.base import DiffusionModel
from inference.families.load import load_model
from inference.model_info import describe
from tests import tiny, tiny_flow
from tests.integration.inference.traffic import png

LoadEngine = Callable[..., Engine]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "sd": tiny.sd(root / "sd"),
        "v": tiny.sd(root / "v", zero_snr=True, latent_channels=8),
        "sdxl": tiny.sdxl(root / "sdxl"),
        "inpaint": tiny.sd(root / "inpaint", inpainting=True),
        "inpaint-xl": tiny.sdxl(root / "inpaint-xl", inpainting=True),
        "refiner": tiny.sdxl(root / "refiner", refiner=True),
        "lcm": tiny.sd(root / "lcm", time_cond=16, scheduler={"_class_name": "LCMScheduler"}),
        "pndm": tiny.sd(
            root / "pndm",
            scheduler={"_class_name": "PNDMScheduler", "skip_prk_steps": True, "steps_offset": 0},
        ),
        "v-noisy": tiny.sd(root / "v-noisy", prediction="v_prediction"),
        "turbo": tiny.sd(
            root / "turbo",
            scheduler={"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"},
        ),
        "turbo-xl": tiny.sdxl(
            root / "turbo-xl",
            scheduler={
                "_class_name": "EulerAncestralDiscreteScheduler",
                "timestep_spacing": "trailing",
            },
        ),
        "sd3": tiny_flow.sd3(root / "sd3"),
        "sd3-clip": tiny_flow.sd3(
            root / "sd3-clip", t5=False, scheduler={"use_dynamic_shifting": True}
        ),
        "sd3-16": tiny_flow.sd3(root / "sd3-16", channels=16),
        "flux": tiny_flow.flux(root / "flux"),
        "schnell": tiny_flow.flux(root / "schnell", guidance=False),
    }


@pytest.fixture(scope="session")
def load(models: dict[str, Path]) -> LoadEngine:
    cpu, loaded = torch.device("cpu"), dict[str, DiffusionModel]()

    def make(name: str, **settings: Any) -> Engine:
        """A new engine, the model read but once."""
        if name not in loaded:
            loaded[name] = load_model(models[name], cpu, torch.float32)
        return Engine(loaded[name], describe(models[name]), EngineSettings(**settings))

    return make


@pytest.fixture(scope="session")
def source() -> bytes:
    picture = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 60).convert("L")
    return png(Image.merge("RGB", (picture, picture.rotate(90), picture.rotate(180))))
