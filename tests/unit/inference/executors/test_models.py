"""Which models stay in memory."""

from pathlib import Path

import pytest

from inference.catalog import Catalog, ModelInfo
from inference.errors import ModelError, OutOfMemory, RequestError
from inference.executors.models import Models
from tests.fake_engine import FakeEngine


class Shelf:
    """Three models of 100 bytes, and a count of what was loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("a", "b", "c"):
            (folder / name).mkdir()
            (folder / name / "model_index.json").write_text('{"_class_name": "X"}')
            (folder / name / "weights.safetensors").write_bytes(bytes(100))
        self.loaded: list[str] = []
        self.failures: list[Exception] = []

    def load(self, info: ModelInfo, device: str) -> FakeEngine:
        if self.failures:
            raise self.failures.pop()
        self.loaded.append(info.id)
        return FakeEngine(info)

    def models(self, room: int) -> Models:
        return Models(Catalog(self.folder, default="a"), self.load, device="cpu", room=lambda: room)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_a_loaded_model_is_not_loaded_again(shelf: Shelf) -> None:
    models = shelf.models(room=1000)
    assert models.loaded("a") is None
    assert models.get("a") is models.get("a") is models.loaded("a")
    assert shelf.loaded == ["a"]


def test_two_stay_and_the_one_used_least_recently_goes(shelf: Shelf) -> None:
    models = shelf.models(room=1000)
    for name in ("a", "b", "a", "c"):
        models.get(name)
    assert models.loaded("b") is None
    assert models.loaded("a") is not None
    assert models.loaded("c") is not None


def test_without_room_for_two_one_stays(shelf: Shelf) -> None:
    models = shelf.models(room=199)
    models.get("a")
    models.get("b")
    assert models.loaded("a") is None


def test_when_memory_runs_out_the_others_go_and_it_is_tried_again(shelf: Shelf) -> None:
    models = shelf.models(room=1000)
    models.get("a")
    shelf.failures = [MemoryError()]
    models.get("b")
    assert models.loaded("a") is None
    assert shelf.loaded == ["a", "b"]
    shelf.failures = [MemoryError(), MemoryError()]
    with pytest.raises(OutOfMemory, match="does not fit"):
        models.get("c")


def test_whatever_a_loader_raises_is_a_model_error(shelf: Shelf) -> None:
    shelf.failures = [KeyError("down_blocks")]
    with pytest.raises(ModelError, match="cannot be loaded: KeyError: 'down_blocks'"):
        shelf.models(room=1000).get("a")
    shelf.failures = [ModelError("unet is missing.")]
    with pytest.raises(ModelError) as caught:
        shelf.models(room=1000).get("a")
    assert str(caught.value) == "unet is missing."
    assert caught.value.__cause__ is None


def test_a_model_error_because_of_memory_is_about_memory(shelf: Shelf) -> None:
    wrapped = ModelError("unet cannot be loaded")
    wrapped.__cause__ = RuntimeError("DefaultCPUAllocator: can't allocate memory")
    shelf.failures = [wrapped]
    with pytest.raises(OutOfMemory):
        shelf.models(room=1000).get("a")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    models = Models(
        Catalog(None, default=str(gone)),
        lambda info, device: FakeEngine(info),
        device="cpu",
        room=int,
    )
    with pytest.raises(ModelError, match=r"gone is missing"):
        models.get(str(gone))


def test_an_unknown_name_is_the_request_s_fault(shelf: Shelf) -> None:
    with pytest.raises(RequestError, match="There is no model “d”"):
        shelf.models(room=1000).loaded("d")
