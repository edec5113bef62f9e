"""A model with a painter: drawings are painted by a pix2pix model, and then painted over."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference.catalog import POCKET
from inference.cli_request import make_recipe
from inference.engine.factory import load_engine
from inference.engine.programs import ProgramEngine
from inference.errors import ModelError
from inference.families.pix2pix import Generator, Pix2PixConfig, save_generator
from inference.families.translation import load_pix2pix
from inference.model_info import describe, revision
from inference.request import GenerationRequest
from inference.shelf import Shelf
from inference.tasks.sketch import clean_drawing
from tests import tiny, tiny_flow
from tests.integration.inference.traffic import open_png, png, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model`, beside `painter`, which it names."""
    place = tmp_path_factory.mktemp("painter")
    torch.manual_seed(0)
    config = Pix2PixConfig(task="sketch", channels=(8, 8, 8), sample_size=48)
    save_generator(Generator(config), place / "painter", "Painter")
    tiny.sd(place / "model")
    (place / "model" / "palimpsest.json").write_text('{"painter": "../painter"}')
    return place / "model"


@pytest.fixture(scope="module")
def engine(folder: Path) -> ProgramEngine:
    return load_engine(describe(folder), "cpu")


def ask(source: bytes, **values: object) -> GenerationRequest:
    request = GenerationRequest(prompt="a house", image=source, steps=5, strength=0.6, seed=3)
    return request.change(width=80, height=64, **values)


def test_a_sketch_is_image_to_image_over_its_painting(
    engine: ProgramEngine, folder: Path, source: bytes
) -> None:
    painter = load_pix2pix(folder.parent / "painter", torch.device("cpu"))
    clean = clean_drawing(open_png(source)).resize((80, 64), Image.Resampling.LANCZOS)
    painting = painter.paint(clean)
    assert painting.size == (80, 64)
    assert np.asarray(painting).tobytes() != np.asarray(clean).tobytes()
    sketch, over, plain = run(
        engine, [ask(source, task="sketch"), ask(png(painting)), ask(png(clean))]
    )
    assert sketch.images[0].data == over.images[0].data
    assert sketch.images[0].data != plain.images[0].data


def test_other_tasks_and_the_kept_source_are_as_they_were(
    engine: ProgramEngine, folder: Path, source: bytes, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "palimpsest.json").unlink()
    bare = load_engine(describe(tmp_path / "model"), "cpu")
    asked = [ask(source), ask(source, task="sketch", strength=0.0)]
    mine, others = run(engine, asked), run(bare, asked)
    assert [a.images[0].data for a in mine] == [b.images[0].data for b in others]


def test_a_painter_that_fails_costs_one_job(
    folder: Path, source: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("too small")

    monkeypatch.setattr("inference.families.translation.Pix2PixModel.paint", fail)
    engine = load_engine(describe(folder), "cpu")
    results = {}
    for number, task in enumerate(("sketch", "img2img")):
        engine.submit(number, ask(source, task=task), lambda progress: None)
    while engine.has_work:
        results |= {outcome.job_id: outcome.result for outcome in engine.step()}
    assert isinstance(results[0], ValueError)
    assert not isinstance(results[1], Exception)


def test_a_copy_finds_an_embedded_painter_by_its_name(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    copy.mkdir()
    for name in ("model_index.json", "palimpsest.json"):
        shutil.copy(POCKET / name, copy)
    assert describe(copy).painter == str(POCKET.parent / "pix2pix-sketch")
    own = tmp_path / "mine" / "pix2pix-sketch"
    own.mkdir()
    assert describe(copy).painter == str(own), "what lies there goes first"


def test_less_is_painted_over_where_there_is_a_painting(folder: Path) -> None:
    info = describe(folder)
    given = {"task": "sketch", "prompt": "a house"}
    assert make_recipe(given, info, Shelf(None)).strength == 0.6
    (folder.parent / "bare").mkdir()
    shutil.copy(folder / "model_index.json", folder.parent / "bare")
    bare = describe(folder.parent / "bare")
    assert make_recipe(given, bare, Shelf(None)).strength == 0.8


def test_another_painter_is_another_revision(folder: Path, tmp_path: Path) -> None:
    ours = str(folder.parent / "painter")
    shutil.copytree(ours, tmp_path / "painter")
    (tmp_path / "painter" / "config.json").write_text("{}")
    told = {revision(str(folder), one) for one in (None, ours, str(tmp_path / "painter"))}
    assert len(told) == 3


def test_what_is_no_painter_is_named_at_load(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(folder, model)
    with pytest.raises(ModelError, match=r"painter/config\.json"):
        load_engine(describe(model), "cpu")
    own = model / "palimpsest.json"
    own.write_text(json.dumps({"painter": "../painter", "controlnet": "../lines"}))
    with pytest.raises(ModelError, match="a drawing is for one of them"):
        describe(model)
    flow = tiny_flow.flux(tmp_path / "flux")
    shutil.copy(folder / "palimpsest.json", flow)
    with pytest.raises(ModelError, match="works with Stable Diffusion and SDXL only"):
        describe(flow)
