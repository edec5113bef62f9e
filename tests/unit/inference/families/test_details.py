"""The network that gives an edited picture the details of its source: its files and its sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference.errors import ModelError
from inference.families.details import (
    DetailNet,
    Details,
    DetailsConfig,
    load_details,
    save_details,
)


def noise(seed: int, size: tuple[int, int] = (33, 21)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


def random_net() -> DetailNet:
    torch.manual_seed(1)
    net = DetailNet(DetailsConfig(channels=8, dilations=(1, 2)))
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    return net


def test_untrained_it_gives_nearly_what_was_painted() -> None:
    """The gate is a fiftieth open."""
    source, painted = (np.asarray(noise(seed), np.float32) for seed in (0, 1))
    made = Details(DetailNet())(noise(0), noise(1))
    assert made.size == (33, 21)
    off = np.asarray(made) - painted
    assert np.abs(off - 0.018 * (source - painted)).max() <= 0.51


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (33, 21), (64, 48)])
def test_any_size_comes_back_as_it_was(size: tuple[int, int]) -> None:
    assert Details(random_net())(noise(0, size), noise(1, size)).size == size


def test_it_sees_both_pictures() -> None:
    details = Details(random_net())
    made = {details(noise(a), noise(b)).tobytes() for a in (0, 1) for b in (2, 3)}
    assert len(made) == 4


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    net = random_net()
    save_details(net, tmp_path)
    a, b = (one(noise(0), noise(1)) for one in (Details(net), load_details(tmp_path)))
    difference = np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max()
    assert difference <= 1, "float16 on disk"


def test_what_is_wrong_in_its_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        load_details(tmp_path)
    save_details(random_net(), tmp_path)
    config = (tmp_path / "config.json").read_text()
    for wrong in (
        "[]",
        "{",
        '{"channels": 8}',
        config.replace("8", "9"),
        config.replace("8", "-1"),
        config.replace("8", "Infinity"),
        config.replace("2", "0"),
    ):
        (tmp_path / "config.json").write_text(wrong)
        with pytest.raises(ModelError, match="holds no details network"):
            load_details(tmp_path)
    (tmp_path / "config.json").write_text(config)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"model\.safetensors holds no details network"):
        load_details(tmp_path)
    weights.unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors is missing"):
        load_details(tmp_path)
