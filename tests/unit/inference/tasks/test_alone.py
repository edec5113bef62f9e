"""What models that run one job at a time cannot do is said before a job of it exists."""

import json
from pathlib import Path

import pytest

from inference.catalog import Catalog
from inference.errors import RequestError
from inference.families.load import STEPWISE
from inference.model_info import describe
from inference.options import Inpaint, Outpaint, Variations
from inference.request import Recipe

ALONE, EDITOR, STEPS = (
    "ZImagePipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionPipeline",
)
VARIED = Recipe(prompt="a", task="variations", options=Variations(), count=4)
INPAINTED = Recipe(prompt="a", task="inpaint", options=Inpaint())
WIDER = Recipe(prompt="a", task="outpaint", options=Outpaint(left=0.5))
LADDER = Recipe(prompt="a", strengths=(0.2, 1.0), strength=1.0, count=2)


def catalog(home: Path, pipeline: str) -> Catalog:
    folder = home / "one"
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    return Catalog(home)


@pytest.mark.parametrize(
    ("pipeline", "recipe", "told"),
    [
        (ALONE, VARIED, "draws its noise itself, so there are no variations"),
        (ALONE, INPAINTED, "cannot keep a part of a picture"),
        (ALONE, WIDER, "cannot keep a part of a picture"),
        (ALONE, LADDER, None),
        (ALONE, Recipe(prompt="a"), None),
        (ALONE, INPAINTED.change(strength=0), None),
        (EDITOR, WIDER, "cannot keep a part of a picture"),
        (EDITOR, INPAINTED, None),
        ("Pix2Pix", LADDER, "has no strength, so there is no ladder of it"),
        (STEPS, VARIED, None),
        (STEPS, INPAINTED, None),
        (STEPS, WIDER, None),
        (STEPS, LADDER, None),
    ],
)
def test_it_is_refused_by_the_catalogue(
    tmp_path: Path, pipeline: str, recipe: Recipe, told: str | None
) -> None:
    models = catalog(tmp_path, pipeline)
    asked = recipe.change(model="one")
    if told is None:
        models.check(asked)
    else:
        with pytest.raises(RequestError, match=f"“one” {told}"):
            models.check(asked)


def test_of_what_is_not_here_nothing_is_known() -> None:
    Catalog(default="someone/something").check(VARIED.change(model="someone/something"))


def test_the_step_engine_runs_what_is_said_to_share_steps(tmp_path: Path) -> None:
    for pipeline in (*STEPWISE, ALONE, EDITOR, "Pix2Pix"):
        folder = tmp_path / pipeline
        folder.mkdir()
        (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
        assert describe(folder).shares_steps == (pipeline in STEPWISE)
