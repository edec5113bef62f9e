"""What the configuration files of a diffusers folder tell."""

import json
from pathlib import Path
from typing import Any

import pytest

from inference.errors import ModelError
from inference.model_info import describe, revision, weight_bytes
from tests.model_folders import write_model

FLUX: dict[str, Any] = {
    "sample_size": None,
    "part": "transformer",
    "part_extra": {"_class_name": "FluxTransformer2DModel", "patch_size": 1},
}


@pytest.mark.parametrize(
    ("changes", "side", "multiple"),
    [
        ({"sample_size": 64}, 512, 8),
        ({"sample_size": 32}, 256, 8),
        ({"sample_size": 32, "vae_blocks": 3}, 128, 4),
        ({"sample_size": [64, 64]}, 512, 8),
        ({"sample_size": None}, 512, 8),
        ({"sample_size": 128, "part": "transformer", "part_extra": {"patch_size": 2}}, 1024, 16),
        ({"sample_size": None, "part": "transformer", "part_extra": {"patch_size": 1}}, 1024, 16),
    ],
)
def test_budget_and_multiple(
    tmp_path: Path, changes: dict[str, Any], side: int, multiple: int
) -> None:
    info = describe(write_model(tmp_path / "m", **changes))
    assert (info.pixel_budget, info.multiple) == (side * side, multiple)


@pytest.mark.parametrize(
    ("name", "changes", "steps", "guidance"),
    [
        ("plain", {}, 20, 5.0),
        ("sdxl-turbo", {}, 4, 1.0),
        ("m", {"scheduler": "LCMScheduler"}, 4, 1.0),
        ("m", {"part_extra": {"time_cond_proj_dim": 256}}, 4, 1.0),
        ("models--me--sd-turbo/snapshots/0a1b", {}, 4, 1.0),
        ("models--turbo--plain/snapshots/0a1b", {}, 20, 5.0),
        ("m", FLUX | {"part_extra": FLUX["part_extra"] | {"guidance_embeds": True}}, 20, 3.5),
        ("m", FLUX, 4, 1.0),
        ("m", {"part": "transformer", "part_extra": {"_class_name": "SD3"}}, 20, 5.0),
    ],
)
def test_steps_and_guidance_suit_how_it_was_trained(
    tmp_path: Path, name: str, changes: dict[str, Any], steps: int, guidance: float
) -> None:
    info = describe(write_model(tmp_path / name, **changes))
    assert (info.default_steps, info.default_guidance) == (steps, guidance)
    assert info.family == "StableDiffusionPipeline"


def test_its_own_file_has_the_last_word(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "sd_turbo-2")
    assert describe(folder).title == "Sd turbo 2"
    own = {"title": "Mine", "steps": 7, "guidance": 3, "scheduler": "euler"}
    (folder / "palimpsest.json").write_text(json.dumps(own))
    info = describe(folder)
    assert info.title == "Mine"
    assert (info.default_steps, info.default_guidance) == (7, 3.0)
    assert info.default_scheduler == "euler"


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("model_index.json", None, "model_index.json is missing."),
        ("model_index.json", "{", "model_index.json cannot be read: "),
        ("model_index.json", "[]", "model_index.json is not a JSON object."),
        ("model_index.json", "{}", "model_index.json names no pipeline"),
        ("unet/config.json", "{", "unet/config.json cannot be read: "),
        ("palimpsest.json", '{"steps": "many"}', "palimpsest.json holds a wrong value: "),
    ],
)
def test_the_file_at_fault_is_named(
    tmp_path: Path, file: str, content: str | None, says: str
) -> None:
    folder = write_model(tmp_path / "m")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(ModelError) as caught:
        describe(folder)
    assert says in str(caught.value)


def test_the_revision_follows_the_content(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    weights = folder / "unet" / "model.safetensors"
    seen = [revision(str(folder))]
    weights.write_bytes(bytes(999) + b"\1")
    seen.append(revision(str(folder)))
    weights.write_bytes(bytes(1001))
    seen.append(revision(str(folder)))
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    seen.append(revision(str(folder)))
    assert len(set(seen)) == 4
    assert all(len(text) == 16 for text in seen)
    (folder / "README.md").write_text("words")
    assert revision(str(folder)) == seen[-1]


def test_it_does_not_depend_on_where_the_model_lies(tmp_path: Path) -> None:
    one, two = (write_model(tmp_path / where / "m") for where in ("a", "b"))
    assert revision(str(one)) == revision(str(two))


def test_what_is_not_here_has_no_revision_and_no_size() -> None:
    assert revision("someone/never-downloaded") == ""
    assert weight_bytes("someone/never-downloaded") == 0


def test_weight_bytes_counts_weights_alone(tmp_path: Path) -> None:
    assert weight_bytes(str(write_model(tmp_path / "m"))) == 1000


def test_a_pix2pix_folder_says_how_large_its_results_are(tmp_path: Path) -> None:
    folder = tmp_path / "colour"
    folder.mkdir()
    (folder / "model_index.json").write_text('{"_class_name": "Pix2Pix"}')
    (folder / "config.json").write_text('{"sample_size": 256, "output_size": 512}')
    (folder / "palimpsest.json").write_text('{"steps": 1, "guidance": 1.0}')
    info = describe(folder)
    assert info.pixel_budget == 512 * 512
    assert (info.default_steps, info.default_guidance) == (1, 1.0)
    assert info.architecture == "pix2pix"
