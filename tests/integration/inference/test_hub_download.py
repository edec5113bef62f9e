"""Models that are downloaded: from a hub on loopback."""

from pathlib import Path

import pytest

from inference.engine.factory import load_engine
from inference.errors import ModelError
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from tests import hub
from tests.integration.inference.traffic import run


def test_a_repository_that_is_not_there_is_named(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = r"me/none cannot be downloaded from the hub: .+"
    with (
        hub.serving(models["sd"], tmp_path / "cache", monkeypatch),
        pytest.raises(ModelError, match=said),
    ):
        load_engine(ModelInfo(id="m", title="", location="me/none"), "cpu")
    with pytest.raises(ModelError, match=said):  # nor is anybody there to ask
        load_engine(ModelInfo(id="m", title="", location="me/none"), "cpu")


@pytest.mark.parametrize("lost", ["*.safetensors", "config.json"])
def test_a_download_that_broke_off_is_completed(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    def picture() -> bytes:
        engine = load_engine(ModelInfo(id="m", title="", location=name), "cpu").inner
        request = GenerationRequest(
            prompt="a fox", strength=1.0, steps=2, width=64, height=64, seed=1
        )
        return run(engine, [request])[0].images[0].data  # type: ignore[arg-type]

    with hub.serving(models["sd"], tmp_path / "cache", monkeypatch) as name:
        whole = picture()
        (link,) = (tmp_path / "cache").glob(f"*/snapshots/*/unet/{lost}")
        link.resolve().unlink()
        link.unlink()
        assert picture() == whole
        link.resolve().unlink()
        link.unlink()
    said = r"unet.+\. me/model cannot be downloaded from the hub: .+"
    with pytest.raises(ModelError, match=said):  # nobody is there to ask for the rest
        picture()


def test_where_the_hub_cannot_be_asked_an_earlier_download_is_found(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = ModelInfo(id="m", title="", location="me/model")
    with hub.serving(models["sd"], tmp_path / "cache", monkeypatch):
        load_engine(info, "cpu")
    # The library's cache is where this program does not look for it.
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert info.folder is None
    assert load_engine(info, "cpu").capacity > 0


def test_what_is_completed_is_what_broke_off(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = ModelInfo(id="m", title="", location="me/model")
    with hub.serving(models["sd"], tmp_path / "cache", monkeypatch):
        load_engine(info, "cpu")
    (link,) = (tmp_path / "cache").glob("*/snapshots/*/unet/*.safetensors")
    link.resolve().unlink()
    link.unlink()
    monkeypatch.setattr(hub, "_COMMIT", "f" * 40)  # somebody published another one meanwhile
    with (
        hub.serving(models["sd"], tmp_path / "cache", monkeypatch),
        pytest.raises(ModelError, match=r"unet.+ cannot be downloaded"),
    ):
        load_engine(info, "cpu")
