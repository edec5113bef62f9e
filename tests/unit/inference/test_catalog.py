"""The catalogue: which models there are, by which names, and what is assumed of them."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from inference.catalog import POCKET, Catalog, embedded
from inference.errors import RequestError
from tests.model_folders import write_model

SHIPPED = [folder.name for folder in embedded()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    write_model(models / "dream-shaper", sample_size=64)
    write_model(models / "Anything_v5", sample_size=96)
    (models / "notes").mkdir()
    (models / "readme.txt").write_text("not a model")
    return models


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def ids(catalog: Catalog) -> list[str]:
    return [info.id for info in catalog.list()]


def test_the_embedded_model_is_always_there() -> None:
    catalog = Catalog(None)
    assert ids(catalog) == SHIPPED
    assert SHIPPED[0] == "pocket"
    assert catalog.find("pocket").location == str(POCKET)


def test_the_owner_s_folders_are_entries(folder: Path) -> None:
    catalog = Catalog(folder)
    assert ids(catalog) == [*SHIPPED, "Anything_v5", "dream-shaper"]
    info = catalog.find("dream-shaper")
    assert info.title == "Dream shaper"
    assert info.location == str(folder / "dream-shaper")
    assert catalog.find("Anything_v5").pixel_budget == 768 * 768


def test_a_folder_added_or_changed_needs_no_restart(folder: Path) -> None:
    catalog = Catalog(folder)
    assert "new" not in ids(catalog)
    write_model(folder / "new", sample_size=64)
    assert catalog.find("new").title == "New"
    (folder / "new" / "palimpsest.json").write_text('{"title": "Newest"}')
    assert catalog.find("new").title == "Newest"


def test_parts_laid_into_a_folder_need_no_restart(folder: Path) -> None:
    new = write_model(folder / "new", sample_size=64)
    catalog = Catalog(folder)
    index = json.dumps({"_class_name": "StableDiffusionInstructPix2PixPipeline"})
    (new / "model_index.json").write_text(index)
    assert catalog.find("new").details is None
    (new / "details").mkdir()
    assert catalog.find("new").details == str(new / "details")
    (new / "details").rmdir()
    assert catalog.find("new").details is None


@pytest.mark.parametrize(
    ("last", "holds"),
    [
        ("unet/config.json", {"sample_size": 96}),
        ("transformer/config.json", {"_class_name": "FluxTransformer2DModel"}),
        ("vae/config.json", {"block_out_channels": [8, 8]}),
        ("scheduler/scheduler_config.json", {"_class_name": "LCMScheduler"}),
        ("config.json", {"output_size": 256}),
        ("../own-vae/config.json", {"block_out_channels": [8, 8]}),
    ],
)
def test_a_download_that_is_completed_needs_no_restart(
    folder: Path, last: str, holds: dict[str, Any]
) -> None:
    new = folder / "new"
    new.mkdir()
    (new / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    (new / "palimpsest.json").write_text('{"vae": "../own-vae"}')
    catalog = Catalog(folder)
    partial = catalog.find("new")
    (new / last).parent.mkdir(exist_ok=True)
    (new / last).write_text(json.dumps(holds))
    whole = catalog.find("new")
    assert whole != partial
    assert whole == Catalog(folder).find("new")


def test_a_default_that_is_an_entry_comes_first(folder: Path) -> None:
    assert ids(Catalog(folder, default="dream-shaper")) == [
        "dream-shaper",
        *SHIPPED,
        "Anything_v5",
    ]


def test_a_default_that_is_a_folder_is_an_entry_by_both_names(folder: Path, tmp_path: Path) -> None:
    own = write_model(tmp_path / "elsewhere" / "mine", sample_size=32)
    catalog = Catalog(folder, default=str(own))
    assert ids(catalog)[0] == "mine"
    assert catalog.find(str(own)) == catalog.find("mine")
    assert catalog.find("mine").pixel_budget == 256 * 256


def test_a_relative_default_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "mine", sample_size=32)
    monkeypatch.chdir(tmp_path)
    assert Catalog(None, default="./mine").find("mine").location == str(tmp_path / "mine")


def test_a_default_may_be_called_like_an_entry(folder: Path, tmp_path: Path) -> None:
    own = write_model(tmp_path / "mine" / "dream-shaper", sample_size=32)
    catalog = Catalog(folder, default=str(own))
    assert ids(catalog) == ["mine/dream-shaper", *SHIPPED, "Anything_v5", "dream-shaper"]
    assert catalog.find("dream-shaper").location == str(folder / "dream-shaper")
    assert catalog.find("mine/dream-shaper").location == str(own)


@pytest.mark.parametrize("spoil", ["absent", "empty", "broken"])
def test_a_broken_default_is_an_entry_all_the_same(spoil: str, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    if spoil != "absent":
        own.mkdir()
    if spoil == "broken":
        (own / "model_index.json").write_text("{")
    info = Catalog(None, default=str(own)).find(str(own))
    assert (info.id, info.pixel_budget, info.family) == ("mine", 512 * 512, "")


def test_a_broken_folder_is_no_entry_and_said_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The command line, which other tests call in this process, silences the library.
    caplog.set_level(logging.WARNING, logger="inference.catalog")
    (folder / "torn").mkdir()
    (folder / "torn" / "model_index.json").write_text("{")
    catalog = Catalog(folder)
    assert "torn" not in ids(catalog)
    assert "torn" not in ids(catalog)
    assert caplog.text.count("torn/model_index.json cannot be read") == 1


def test_a_repository_is_assumed_to_be_usual_until_it_is_here(hub: Path) -> None:
    catalog = Catalog(None, default="someone/sd-turbo")
    info = catalog.find("someone/sd-turbo")
    assert (info.pixel_budget, info.folder, info.family) == (512 * 512, None, "")
    snapshot = hub / "models--someone--sd-turbo" / "snapshots" / "abc123"
    write_model(snapshot, sample_size=128)
    refs = hub / "models--someone--sd-turbo" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc123")
    info = catalog.find("someone/sd-turbo")
    assert info.id == info.location == "someone/sd-turbo"
    assert info.title == "Sd turbo"
    assert info.pixel_budget == 1024 * 1024
    assert info.folder == snapshot


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dreamshaper", "There is no model “dreamshaper”; the nearest is dream-shaper."),
        ("poket", "the nearest is pocket or pocket-edit."),
        ("zzz", "the nearest is pocket or "),
        ("/etc", "There is no model “/etc”"),
        ("runwayml/stable-diffusion-v1-5", "There is no model"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(folder: Path, name: str, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        Catalog(folder).find(name)
    assert says in str(caught.value)


def test_a_default_that_is_nothing_is_unknown(folder: Path) -> None:
    with pytest.raises(RequestError, match="There is no model “nothing”"):
        Catalog(folder, default="nothing").find("nothing")


def test_listing_reads_no_file_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog(folder)
    catalog.list()
    reads: list[Any] = []
    monkeypatch.setattr(Path, "read_text", lambda self, *_: reads.append(self) or "{}")
    catalog.list()
    assert [path for path in reads if os.fspath(path).startswith(str(folder))] == []


def test_some_tasks_have_a_model_of_their_own() -> None:
    catalog = Catalog(None)
    assert catalog.made_for("colorize", steered=True) == "pix2pix-color"
    assert catalog.made_for("sketch") == "pix2pix-sketch"
    assert catalog.made_for("sketch", steered=True) is None
    assert catalog.made_for("img2img") is None


def test_the_owner_s_model_goes_before_an_embedded_one_that_can(
    folder: Path,
) -> None:
    names = [info.id for info in Catalog(folder).list()]
    embedded_one, own = "pix2pix-color", next(name for name in names if (folder / name).is_dir())

    def can(*able: str) -> str | None:
        return Catalog(folder).first_that(lambda info: info.id in able)

    assert can(embedded_one, own) == own
    assert can(embedded_one) == embedded_one
    assert can("pocket", own) == "pocket", "the default"
    assert can() is None
