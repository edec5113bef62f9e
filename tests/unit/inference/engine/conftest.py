from pathlib import Path

import pytest
import torch

from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.model_info import ModelInfo, describe
from tests import tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny.sd(tmp_path_factory.mktemp("models") / "sd")


@pytest.fixture(scope="session")
def model(tiny_folder: Path) -> UNetModel:
    return load_model(tiny_folder, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def info(tiny_folder: Path) -> ModelInfo:
    return describe(tiny_folder)
