"""From a folder of pairs by the command to a picture by the public path."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from inference.engine.factory import load_engine
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GeneratedImage
from inference.training.__main__ import main
from inference.training.quality.measures import luminance_error
from inference.training.quality.studio import as_png
from inference.training.scenes import picture_of
from tests.pair_folder import write_pairs

FEW = ["--steps", "2", "--batch", "1", "--processes", "1", "--device", "cpu"]


def painted(folder: Path, strength: float = 1.0) -> tuple[GeneratedImage, int]:
    info = describe(folder)
    engine = load_engine(info, "cpu")
    request = GenerationRequest(
        prompt="",
        strength=strength,
        steps=info.default_steps,
        guidance=info.default_guidance,
        image=as_png(picture_of(1_000_009, (150, 100))),
        width=152,
        height=104,
        model=info.id,
    )
    engine.submit(1, request, lambda progress: None)
    while not (outcomes := engine.step()):
        pass
    result = outcomes[0].result
    assert not isinstance(result, Exception)
    return result.images[0], result.steps_run


def pixels(image: GeneratedImage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(image.data)) as opened:
        return np.asarray(opened.convert("RGB"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pairs, trained on for two steps, interrupted after none."""
    place = tmp_path_factory.mktemp("own")
    pairs = write_pairs(place / "pairs", {"a": (140, 130), "bb": (150, 128), "ccc": (128, 128)})
    main(["gan", "--pairs", str(pairs), "--out", str(place / "run"), "--title", "Mine", *FEW])
    return place / "run"


def test_what_an_owner_trained_paints(trained: Path) -> None:
    info = describe(trained / "model")
    assert (info.title, info.architecture) == ("Mine", "pix2pix")
    first, steps = painted(trained / "model")
    again, _ = painted(trained / "model")
    assert steps == 1
    assert first.data == again.data
    assert (first.width, first.height) == (152, 104)
    assert (trained / "model" / "game.json").is_file()
    modes = {path.stat().st_mode for path in (trained / "model").iterdir()}
    assert len(modes) == 1, "whoever may read the configuration may read the weights"


def test_strength_0_gives_the_source(trained: Path) -> None:
    made, steps = painted(trained / "model", 0.0)
    source = Image.fromarray(picture_of(1_000_009, (150, 100)))
    assert steps == 0
    expected = np.asarray(source.resize((152, 104), Image.Resampling.LANCZOS))
    assert np.array_equal(pixels(made), expected)


def test_another_model_can_be_trained_further(trained: Path, tmp_path: Path) -> None:
    pairs, before = trained.parent / "pairs", trained / "model"
    given = ["gan", "--pairs", str(pairs), "--init", str(before), *FEW, "--learning-rate", "1e-2"]
    main([*given, "--out", str(tmp_path)])
    old, new = (load_file(path / "model.safetensors") for path in (before, tmp_path / "model"))
    assert all(torch.allclose(old[name], new[name], atol=1e-3) for name in old)
    assert any(not torch.equal(old[name], new[name]) for name in old)


def test_a_model_of_another_kind_cannot_be_trained_further(trained: Path, tmp_path: Path) -> None:
    begin = ["gan", "--out", str(tmp_path), "--task", "colorize", "--init"]
    with pytest.raises(SystemExit, match="was made for “pairs” and does not see and draw what"):
        main([*begin, str(trained / "model")])
    with pytest.raises(SystemExit, match=r"config\.json is missing"):
        main([*begin, str(tmp_path)])


def test_a_bad_folder_is_told_and_nothing_is_trained(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (140, 130), "bb": (20, 20), "ccc": (128, 128)})
    (pairs / "output" / "a.png").unlink()
    with pytest.raises(SystemExit) as caught:
        main(["gan", "--pairs", str(pairs), "--out", str(tmp_path / "run"), *FEW])
    assert "input/a.png has no partner" in str(caught.value)
    assert "at least 128×128" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--scenes", "2", "--scenes is 2; it must be at least 3."),
        ("--batch", "0", "--batch is 0; it must be at least 1."),
    ],
)
def test_wrong_options_train_nothing(tmp_path: Path, option: str, value: str, told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        main(["gan", "--task", "sketch", "--out", str(tmp_path / "run"), *FEW, option, value])
    assert not (tmp_path / "run").exists()


def test_a_game_goes_on_with_what_it_began_with(trained: Path, tmp_path: Path) -> None:
    shutil.copy(trained / "checkpoint.pt", tmp_path)
    with pytest.raises(
        SystemExit, match=r"was made for gan --pairs with .*, not for gan --task sketch"
    ):
        main(["gan", "--task", "sketch", "--scenes", "3", "--out", str(tmp_path), *FEW, "--resume"])


def test_one_pair_is_told_too(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (140, 130)})
    with pytest.raises(SystemExit, match="one more is needed"):
        main(["gan", "--pairs", str(pairs), "--out", str(tmp_path / "run"), *FEW])


def test_a_colouring_model_keeps_the_luminance_by_the_public_path(tmp_path: Path) -> None:
    main(["gan", "--task", "colorize", "--scenes", "3", "--out", str(tmp_path), *FEW])
    made, _ = painted(tmp_path / "model")
    source, _ = painted(tmp_path / "model", 0.0)
    assert luminance_error(pixels(made), pixels(source)) <= 0.5
    assert {"pairs-000002.png", "photos-000002.png", "checkpoint.pt"} <= {
        path.name for path in tmp_path.iterdir()
    }
