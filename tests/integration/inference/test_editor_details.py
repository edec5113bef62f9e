"""An editor with a details network: what it paints is finished with its source."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference.engine.factory import load_engine
from inference.errors import ModelError
from inference.families.details import DetailNet, DetailsConfig, load_details, save_details
from inference.model_info import describe, revision
from inference.request import GenerationRequest
from inference.tasks.colorize import coloured, without_colour
from tests import tiny, tiny_pipelines
from tests.integration.inference.traffic import open_png, png, run

SIZE = 80, 64


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.instruct_pix2pix(tmp_path_factory.mktemp("bare") / "editor")


@pytest.fixture(scope="module")
def editor(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a random network in its folder."""
    folder = tmp_path_factory.mktemp("with") / "editor"
    shutil.copytree(bare, folder)
    torch.manual_seed(0)
    net = DetailNet(DetailsConfig(channels=8, words=("night",)))
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    save_details(net, folder / "details")
    return folder


def asked(source: bytes, **values: object) -> GenerationRequest:
    request = GenerationRequest(
        prompt="make it night", task="edit", image=source, steps=2, seed=3, strength=1.0
    )
    return request.change(width=SIZE[0], height=SIZE[1], **values)


def test_every_edit_is_finished_with_its_source(bare: Path, editor: Path, source: bytes) -> None:
    """Each of several pictures."""
    request = asked(source, count=2)
    (plain,), (made,) = (
        run(load_engine(describe(one), "cpu"), [request]) for one in (bare, editor)
    )
    details = load_details(editor / "details")
    small = open_png(source).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    for mine, others in zip(made.images, plain.images, strict=True):
        wanted = np.asarray(details(small, open_png(others.data), request.prompt))
        assert (np.asarray(open_png(mine.data)) == wanted).all()
        assert mine.data != others.data
        unheard = np.asarray(details(small, open_png(others.data), ""))
        assert (unheard != wanted).any(), "it is told the prompt"


def test_colour_is_given_after_it(bare: Path, editor: Path, source: bytes) -> None:
    """The light of what is colourised stays the source's."""
    request = asked(source, task="colorize", options=None)
    (made,) = run(load_engine(describe(editor), "cpu"), [request])
    grey = png(without_colour(open_png(source).convert("RGB")))
    (painted,) = run(load_engine(describe(bare), "cpu"), [asked(grey)])
    seen, own = (
        open_png(one).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
        for one in (grey, source)
    )
    details = load_details(editor / "details")
    finished = details(seen, open_png(painted.images[0].data), request.prompt)
    difference = np.asarray(open_png(made.images[0].data), np.int16) - np.asarray(
        coloured(own, finished), np.int16
    )
    assert np.abs(difference).max() <= 1


def test_at_strength_0_the_source_is_as_it_was(editor: Path, source: bytes) -> None:
    engine = load_engine(describe(editor), "cpu")
    (kept,) = run(engine, [asked(source, strength=0.0)])
    small = open_png(source).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    assert (np.asarray(open_png(kept.images[0].data)) == np.asarray(small)).all()


def test_where_it_lies_is_described(bare: Path, editor: Path, tmp_path: Path) -> None:
    assert describe(bare).details is None
    assert describe(editor).details == str(editor / "details")
    named = tmp_path / "named"
    shutil.copytree(bare, named)
    (named / "palimpsest.json").write_text(json.dumps({"details": str(editor / "details")}))
    assert describe(named).details == str(editor / "details")
    told = {revision(str(bare), one) for one in (None, describe(editor).details)}
    assert len(told) == 2, "another network is another revision"


def test_a_model_that_follows_no_instructions_has_none(tmp_path: Path, editor: Path) -> None:
    folder = tiny.sd(tmp_path / "model")
    shutil.copytree(editor / "details", folder / "details")
    assert describe(folder).details is None
    (folder / "palimpsest.json").write_text('{"details": "details"}')
    with pytest.raises(ModelError, match="details is for models that follow instructions"):
        describe(folder)


def test_a_damaged_one_is_named_at_load(editor: Path, tmp_path: Path) -> None:
    folder = tmp_path / "editor"
    shutil.copytree(editor, folder)
    (folder / "details" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"details/config\.json"):
        load_engine(describe(folder), "cpu")
