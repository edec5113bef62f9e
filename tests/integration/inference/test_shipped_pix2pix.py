"""The embedded pix2pix models, as members and owners reach them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.__main__ import main
from inference.catalog import Catalog
from inference.engine.factory import load_engine
from inference.errors import RequestError
from inference.request import LADDER, GenerationRequest
from inference.tasks.files import as_png
from inference.training.sketch_pairs import drawn_pair
from inference.training.world import HELD_OUT


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A held-out scene's outlines, drawn with a pen."""
    drawn, _ = drawn_pair(HELD_OUT + 500, "pen", (128, 128), np.random.default_rng(0))
    path = tmp_path_factory.mktemp("drawn") / "drawing.png"
    Image.fromarray(drawn).save(path)
    return path


def painted(drawing: Path, out: Path, *more: str) -> int:
    arguments = ["--image", str(drawing), "--out", str(out), "--device", "cpu", "--json"]
    return main(["generate", "sketch", *arguments, *more])


def test_a_drawing_alone_becomes_a_small_painting(
    drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert painted(drawing, tmp_path) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert told["steps_run"] == 1
    assert "notes" not in told
    made = np.asarray(Image.open(told["path"]).convert("RGB"), np.float64)
    sky, ground = made[: len(made) // 5], made[-len(made) // 5 :]
    assert sky[..., 2].mean() > sky[..., 0].mean() + 30, "a blue sky"
    assert ground[..., 1].mean() > ground[..., 0].mean() + 10, "green ground"


def test_with_words_it_is_left_to_a_model_that_reads(
    drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert painted(drawing, tmp_path, "--prompt", "a house", "--steps", "5") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["steps_run"] == 3, "of 5 at strength 0.6"


def test_what_steers_needs_words(
    drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert painted(drawing, tmp_path, "--steps", "8") == 2
    assert "“prompt” is missing" in capsys.readouterr().err


def test_there_is_no_ladder_of_what_has_no_strength(drawing: Path) -> None:
    info = Catalog().find("pix2pix-sketch")
    engine = load_engine(info, "cpu")
    request = GenerationRequest(
        prompt="",
        strengths=LADDER,
        count=len(LADDER),
        model=info.id,
        image=as_png(Image.open(drawing)),
    )
    with pytest.raises(RequestError, match="has no strength, so there is no ladder of it"):
        engine.submit(1, request, lambda progress: None)
