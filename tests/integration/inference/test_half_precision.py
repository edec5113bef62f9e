"""Folders and repositories whose weights are fp16 files, all of them or some."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.engine.factory import load_engine
from inference.model_info import ModelInfo, describe
from inference.request import GenerationRequest
from tests import hub
from tests.integration.inference.traffic import run

Change = Callable[[Path], object]


@pytest.fixture
def plain(models: dict[str, Path], tmp_path: Path) -> Path:
    """A model that was saved plainly in float16."""
    folder = shutil.copytree(models["sd"], tmp_path / "plain")
    for path in folder.rglob("*.safetensors"):
        halves = {name: tensor.half() for name, tensor in load_file(path).items()}
        save_file(halves, path, {"format": "pt"})
    return folder


def as_variants(folder: Path, *parts: str) -> None:
    for part in parts:
        for path in (folder / part).glob("*.safetensors"):
            path.rename(path.with_suffix(".fp16.safetensors"))


def add_spoilt_twins(folder: Path) -> None:
    """Which nobody should read, nor download."""
    for path in list(folder.rglob("*.safetensors")):
        tensors = {name: torch.zeros_like(tensor) for name, tensor in load_file(path).items()}
        save_file(tensors, path.with_suffix(".fp16.safetensors"), {"format": "pt"})


ALL = ("unet", "vae", "text_encoder")
SAVED: list[Change] = [
    lambda folder: as_variants(folder, *ALL),
    lambda folder: as_variants(folder, "text_encoder"),
    add_spoilt_twins,
]


def picture(info: ModelInfo, source: bytes) -> bytes:
    engine = load_engine(info, "cpu").inner
    request = GenerationRequest(prompt="a fox", image=source, steps=2, width=64, height=64, seed=1)
    return run(engine, [request])[0].images[0].data  # type: ignore[arg-type]


@pytest.mark.parametrize("save", SAVED, ids=["variants", "mixed", "both"])
def test_a_folder_s_pictures_are_those_of_the_same_weights_saved_plainly(
    plain: Path, source: bytes, tmp_path: Path, save: Change
) -> None:
    folder = shutil.copytree(plain, tmp_path / "model")
    save(folder)
    assert picture(describe(folder), source) == picture(describe(plain), source)


@pytest.mark.parametrize("save", SAVED, ids=["variants", "mixed", "both"])
def test_of_a_repository_the_weights_that_are_read_are_downloaded(
    plain: Path, source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Change
) -> None:
    folder = shutil.copytree(plain, tmp_path / "model")
    save(folder)
    with hub.serving(folder, tmp_path / "cache", monkeypatch) as name:
        found = picture(ModelInfo(id=name, title="", location=name), source)
    assert found == picture(describe(plain), source)
    weights = list((tmp_path / "cache").rglob("*.safetensors"))
    assert sorted(path.parent.name for path in weights) == sorted(ALL)
