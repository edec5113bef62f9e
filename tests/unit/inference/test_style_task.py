"""Which models can do the task style, and what is said of the others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from inference.catalog import Catalog
from inference.engine.serial import SerialEngine
from inference.engine.settings import EngineSettings
from inference.errors import ModelError, RequestError
from inference.families.serial import SerialModel
from inference.model_info import ModelInfo, describe
from inference.options import Style
from inference.request import GenerationRequest, Recipe
from inference.tasks.style import check_style
from tests.model_folders import write_model

SD = "StableDiffusionPipeline"
BARE = ModelInfo(id="bare", title="Bare", location="/nowhere", family=SD)
ABLE = replace(BARE, id="able", title="Able", location="/there", image_adapter="/there/ip_adapter")
STYLED = GenerationRequest(prompt="", task="style", image=b"1", second=b"2")


@pytest.mark.parametrize(
    ("kind", "able"),
    [
        ("StableDiffusionPipeline", True),
        ("LatentConsistencyModelPipeline", True),
        ("StableDiffusionXLPipeline", True),
        ("StableDiffusion3Pipeline", False),
        ("FluxPipeline", False),
        ("PixArtSigmaPipeline", False),
    ],
)
def test_the_folder_tells(tmp_path: Path, kind: str, able: bool) -> None:
    write_model(tmp_path, kind=kind)
    assert describe(tmp_path).image_adapter is None
    (tmp_path / "ip_adapter").mkdir()
    assert describe(tmp_path).image_adapter == (str(tmp_path / "ip_adapter") if able else None)


def test_another_folder_may_be_named_for_models_that_can(tmp_path: Path) -> None:
    (write_model(tmp_path / "m") / "palimpsest.json").write_text(json.dumps({"ip_adapter": "../a"}))
    assert describe(tmp_path / "m").image_adapter == str(tmp_path / "a")
    write_model(tmp_path / "m", kind="FluxPipeline", part="transformer")
    with pytest.raises(ModelError, match="Stable Diffusion and SDXL only"):
        describe(tmp_path / "m")


def test_other_tasks_and_models_with_an_adapter_pass() -> None:
    check_style(Recipe(prompt=""), BARE)
    check_style(STYLED, ABLE)
    check_style(STYLED, replace(BARE, family=""))  # a repository that is not downloaded yet


def test_the_refusal_names_models_that_can() -> None:
    with pytest.raises(
        RequestError, match=r"model “bare” has none beside it; try the model able\.$"
    ):
        check_style(STYLED, BARE, [BARE, ABLE])
    with pytest.raises(RequestError, match=r"“bare” has none beside it\.$"):
        check_style(STYLED, BARE, [BARE])


def test_the_catalogue_sees_an_adapter_that_is_added(tmp_path: Path) -> None:
    for name in ("dream", "other"):
        write_model(tmp_path / name)
    catalog = Catalog(tmp_path)
    styled = Recipe(prompt="", task="style", model="dream")
    with pytest.raises(RequestError, match="“dream” has none"):
        catalog.check(styled)
    (tmp_path / "other" / "ip_adapter").mkdir()
    with pytest.raises(RequestError, match=r"try the model .*other\."):
        catalog.check(styled)
    catalog.check(styled.change(model="other"))
    catalog.check(Recipe(prompt="", model="dream"))


def test_engines_refuse_before_anything_runs() -> None:
    class Unused:
        """Whatever is asked of it is asked too early."""

    model: SerialModel = Unused()  # type: ignore[assignment]
    engine = SerialEngine(model, BARE, EngineSettings())
    with pytest.raises(RequestError, match="“style” needs an image adapter"):
        engine.submit(0, STYLED, lambda progress: None)
    assert not engine.has_work


def test_its_options() -> None:
    assert STYLED.options == Style(scale=0.8, keep="style")
    with pytest.raises(RequestError, match="second picture: the style picture"):
        GenerationRequest(prompt="", task="style", image=b"1")
    with pytest.raises(RequestError, match=r"Scale 1\.5 is outside 0 to 1"):
        Style(scale=1.5)
    with pytest.raises(RequestError, match="style, composition, both"):
        Style(keep="colours")
