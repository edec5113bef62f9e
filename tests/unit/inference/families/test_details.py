"""The network that gives an edited picture the details of its source: its files and its sizes."""

import re
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
    noise_level,
    save_details,
    words_of,
)
from inference.families.pixels import as_tensor
from inference.training.scenes import picture_of
from inference.training.world import HELD_OUT


def noise(seed: int, size: tuple[int, int] = (33, 21)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(pixels)


def random_net() -> DetailNet:
    torch.manual_seed(1)
    net = DetailNet(DetailsConfig(channels=8, dilations=(1, 2), words=("it", "oil", "sharpen")))
    torch.nn.init.normal_(net.tail.weight, std=0.1)
    torch.nn.init.normal_(net.asked.scores.weight)
    return net


def test_untrained_it_gives_nearly_what_was_painted() -> None:
    """The gate is a fiftieth open."""
    source, painted = (np.asarray(noise(seed), np.float32) for seed in (0, 1))
    made = Details(DetailNet())(noise(0), noise(1), "sharpen")
    assert made.size == (33, 21)
    off = np.asarray(made) - painted
    assert np.abs(off - 0.018 * (source - painted)).max() <= 0.51


@pytest.mark.parametrize("size", [(2, 2), (1, 1), (33, 21), (64, 48)])
def test_any_size_comes_back_as_it_was(size: tuple[int, int]) -> None:
    assert Details(random_net())(noise(0, size), noise(1, size), "").size == size


def test_it_sees_both_pictures_and_reads_the_words() -> None:
    details = Details(random_net())
    made = {
        details(noise(a), noise(b), words).tobytes()
        for a in (0, 1)
        for b in (2, 3)
        for words in ("", "sharpen it")
    }
    assert len(made) == 8


def test_a_word_counts_whatever_its_case_place_and_punctuation() -> None:
    assert words_of("Sharpen it, please – SHARPEN!") == words_of("please (sharpen:it)")
    assert words_of(" 🎨 !?") == []


def test_words_that_it_does_not_know_are_not_there() -> None:
    details = Details(random_net())
    plain = details(noise(0), noise(1), "sharpen it").tobytes()
    for asked in ("Sharpen it", "sharpen it for my granny, größer", "it sharpen it it"):
        assert details(noise(0), noise(1), asked).tobytes() == plain
    assert details(noise(0), noise(1), "sharpen the oil").tobytes() != plain
    empty = details(noise(0), noise(1), "").tobytes()
    assert details(noise(0), noise(1), "schärfer").tobytes() == empty != plain


def test_texts_of_many_lengths_go_together() -> None:
    texts = ["", "oil", "sharpen it", "please"]
    asked = random_net().asked
    together = asked(asked.places(texts))
    for one, text in zip(together, texts, strict=True):
        assert torch.allclose(one, asked(asked.places([text]))[0], atol=1e-6)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    net = random_net()
    save_details(net, tmp_path)
    a, b = (one(noise(0), noise(1), "oil") for one in (Details(net), load_details(tmp_path)))
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
        config.replace('"oil",', ""),
        config.replace('"oil"', '"it"'),
        config.replace('"oil"', '"Oil"'),
        config.replace('"oil"', '"oil paint"'),
        config.replace('"oil"', "null"),
        re.sub(r"\[[^]]*oil[^]]*]", '"abc"', config),
        config.replace("words", "wörter"),
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


def test_it_knows_how_noisy_a_picture_is() -> None:
    """Also in one with texture, and nothing is infinite where there is no noise."""
    scene = as_tensor(Image.fromarray(picture_of(HELD_OUT, (96, 96))))
    sigmas = torch.tensor([0.0, 15, 45])
    grain = torch.randn(3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    found = noise_level(scene + grain * sigmas[:, None, None, None] / 127.5)
    assert found[0] < -0.5
    assert found[1:].flatten().tolist() == pytest.approx([1, 2], abs=0.3)
    assert noise_level(torch.zeros(1, 3, 2, 2)) < -2
