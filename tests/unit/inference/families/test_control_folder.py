"""A ControlNet that is damaged or made for another base is refused with the file named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.catalog import Catalog
from inference.control_info import ControlInfo
from inference.errors import ModelError
from inference.families.conditioning import Row
from inference.families.control import controlled
from inference.families.load import load_model
from inference.model_info import describe, revision
from tests import tiny, tiny_control, tiny_flow
from tests.tiny_control import WEIGHTS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny.sd(tmp_path_factory.mktemp("models") / "whole")
    tiny_control.control(model / "controlnet", model)
    return model


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def change_json(path: Path, **changes: object) -> None:
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | changes))


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


CONFIG = "controlnet/config.json"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda f: (f / CONFIG).unlink(), "controlnet/config.json is missing"),
        (lambda f: (f / CONFIG).write_text("{"), "controlnet/config.json cannot be read"),
        (lambda f: (f / "controlnet" / WEIGHTS).unlink(), "controlnet holds no weights"),
        (lambda f: cut(f / "controlnet" / WEIGHTS, 0.9), f"controlnet/{WEIGHTS} is damaged"),
        (
            lambda f: change_json(f / CONFIG, _class_name="ControlNetUnionModel"),
            "controlnet/config.json is of a kind that is not supported, ControlNetUnionModel",
        ),
        (lambda f: change_json(f / CONFIG, global_pool_conditions=True), "global_pool_conditions"),
        (lambda f: change_json(f / CONFIG, mid_block_type="None"), "controlnet cannot be loaded"),
        (
            lambda f: change_json(f / "palimpsest.json", controlnet="../elsewhere"),
            "elsewhere is missing",
        ),
        (
            lambda f: change_json(f / "palimpsest.json", control_picture="depth"),
            "palimpsest.json holds a wrong value: control_picture is none of scribble, canny",
        ),
        (
            lambda f: change_json(f / "palimpsest.json", control_scale=0),
            "palimpsest.json holds a wrong value: control_scale",
        ),
        (
            lambda f: (
                change_json(f / "palimpsest.json", control_scale=1),
                shutil.rmtree(f / "controlnet"),
            ),
            "control_scale is given, but there is no ControlNet",
        ),
    ],
)
def test_what_is_wrong_is_named(folder: Path, damage: Callable[[Path], object], named: str) -> None:
    damage(folder)
    with pytest.raises(ModelError) as caught:
        load_model(folder, CPU, torch.float32)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("cross_attention_dim", 1024, 32),
        ("layers_per_block", 2, 1),
        ("in_channels", 16, 4),
        ("conditioning_channels", 4, 3),
        ("projection_class_embeddings_input_dim", 2816, None),
        ("pixels for one latent", 4, 8),
    ],
)
def test_one_for_another_base_is_refused_with_both_numbers(
    folder: Path, name: str, given: int, wanted: int | None
) -> None:
    change: dict[str, object] = {name: given}
    if name == "pixels for one latent":
        change = {"conditioning_embedding_out_channels": [16, 32, 96]}
    change_json(folder / CONFIG, **change)
    with pytest.raises(ModelError) as caught:
        load_model(folder, CPU, torch.float32)
    assert f"its {name} is {given}, and that of {folder} is {wanted}" in str(caught.value)
    assert CONFIG in str(caught.value)


def test_the_one_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    xl = tiny.sdxl(tmp_path / "xl")
    change_json(xl / "palimpsest.json", controlnet=str(folder / "controlnet"))
    with pytest.raises(ModelError, match=r"its cross_attention_dim is 32, and that of .* is 80"):
        load_model(xl, CPU, torch.float32)


def test_which_one_is_used_the_files_say(folder: Path, tmp_path: Path) -> None:
    beside = ControlInfo(folder=str(folder / "controlnet"))
    assert describe(folder).control == beside
    change_json(folder / "palimpsest.json", controlnet="../other", control_picture="canny")
    named = ControlInfo(folder=str(tmp_path / "other"), picture="canny")
    assert describe(folder).control == named
    (folder / "palimpsest.json").unlink()
    shutil.rmtree(folder / "controlnet")
    assert describe(folder).control is None
    assert load_model(folder, CPU, torch.float32).control is None


def test_a_model_without_a_unet_takes_none(folder: Path, tmp_path: Path) -> None:
    flux = tiny_flow.flux(tmp_path / "flux")
    shutil.copytree(folder / "controlnet", flux / "controlnet")
    assert describe(flux).control is None
    change_json(flux / "palimpsest.json", controlnet="controlnet")
    with pytest.raises(ModelError, match="works with Stable Diffusion and SDXL only"):
        describe(flux)


def test_one_that_is_added_later_is_seen(folder: Path, tmp_path: Path) -> None:
    (folder / "controlnet").rename(tmp_path / "kept")
    catalog = Catalog(tmp_path, default="pocket")
    assert catalog.find("model").control is None
    shutil.copytree(tmp_path / "kept", folder / "controlnet")
    assert catalog.find("model").control is not None


def test_it_is_part_of_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (folder / "controlnet").rename(other)
    alone = revision(str(folder), None, None)
    before = revision(str(folder), None, str(other))
    cut(other / WEIGHTS, 0.5)
    assert len({alone, before, revision(str(folder), None, str(other))}) == 3


def test_an_inpainting_unet_shows_it_only_the_latents(whole: Path) -> None:
    model = load_model(whole, CPU, torch.float32)
    assert model.control is not None
    seen: list[Tensor] = []
    model.control.network.register_forward_pre_hook(
        lambda _module, _args, named: seen.append(named["sample"]), with_kwargs=True
    )
    rows = controlled([Row(tokens=torch.zeros(1, 77, 32))], _black(), 1.0, CPU)
    assert rows[0].control is not None
    model.control.residuals(
        [rows[0].control],
        sample=torch.arange(9.0)[None, :, None, None].expand(1, 9, 8, 8),
        timestep=torch.tensor([500.0]),
        encoder_hidden_states=rows[0].tokens,
        added_cond_kwargs=None,
    )
    assert seen[0][0, :, 0, 0].tolist() == [0, 1, 2, 3]


def _black() -> NDArray[np.uint8]:
    return np.zeros((64, 64, 3), dtype=np.uint8)
