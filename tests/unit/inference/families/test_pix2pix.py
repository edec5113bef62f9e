"""A pix2pix model as its users meet it: a folder, a source, a picture."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference.errors import ModelError, RequestError
from inference.families.pix2pix import (
    Generator,
    Pix2PixConfig,
    load_generator,
    luma,
    save_generator,
    with_chroma,
)
from inference.families.translation import Pix2PixModel, fitted
from inference.request import GenerationRequest

TINY = (8, 16, 16)


def generator(task: str) -> Generator:
    torch.manual_seed(0)
    colour = task == "colorize"
    config = Pix2PixConfig(
        task=task, luma_in=colour, chroma_out=colour, channels=TINY, sample_size=32
    )
    made = Generator(config)
    # Untrained it draws next to nothing.
    made.head.weight.data.mul_(8)
    return made


def model(task: str) -> Pix2PixModel:
    return Pix2PixModel(generator(task).eval())


def picture(size: tuple[int, int]) -> Image.Image:
    w, h = size
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (6, 5, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((w, h), Image.Resampling.BICUBIC)


def request(**values: object) -> GenerationRequest:
    buffer = io.BytesIO()
    picture((24, 24)).save(buffer, "PNG")
    given = {"prompt": "", "image": buffer.getvalue(), "steps": 1, "guidance": 1.0} | values
    return GenerationRequest(**given)  # type: ignore[arg-type]


def grey(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(image, np.float64) @ np.array([0.299, 0.587, 0.114])


def quietly(done: int, total: int, preview: object = None, /) -> None:
    assert (done, total) == (1, 1)


def test_a_colour_difference_has_no_luma_and_stays_in_rgb() -> None:
    dice = torch.Generator().manual_seed(1)
    y = torch.rand(1, 1, 40, 40, generator=dice) * 2 - 1
    chroma = torch.rand(1, 2, 40, 40, generator=dice) * 2 - 1
    rgb = with_chroma(y, chroma)
    assert torch.allclose(luma(rgb), y, atol=1e-5)
    assert rgb.abs().max() <= 1 + 1e-5
    # The same hue, whatever luma leaves room for: differences are parallel.
    free = with_chroma(torch.zeros_like(y), chroma * 0.1)
    cosine = torch.cosine_similarity(rgb - y, free, dim=1)
    assert cosine[y[:, 0].abs() < 0.99].min() > 0.999


def test_a_known_colour_comes_back() -> None:
    rgb = torch.tensor([0.6, -0.2, -0.5]).view(1, 3, 1, 1)
    y = luma(rgb)
    cb, cr = (rgb[:, 2:] - y) / 1.772, (rgb[:, :1] - y) / 1.402
    assert torch.allclose(with_chroma(y, torch.cat([cb, cr], dim=1)), rgb, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (200, 56), (37, 91), (8, 8)])
def test_colour_leaves_the_luma_alone_at_any_size(size: tuple[int, int]) -> None:
    source = picture(size)
    made = model("colorize").run(request(), 0, source, size, quietly)
    assert made.size == size
    assert np.abs(grey(made) - grey(source)).mean() <= 0.5
    assert np.abs(np.asarray(made, int) - np.asarray(source, int)).mean() > 3


@pytest.mark.parametrize("size", [(64, 64), (88, 40), (8, 8)])
def test_a_picture_of_any_size_is_repainted(size: tuple[int, int]) -> None:
    source = picture(size)
    made = model("sketch").run(request(), 0, source, size, quietly)
    assert made.size == size
    again = model("sketch").run(request(seed=7), 1, source, size, quietly)
    assert np.array_equal(np.asarray(made), np.asarray(again))


def test_what_the_network_sees_is_near_what_it_was_trained_for() -> None:
    assert fitted((256, 256), 256, 32) == (256, 256)
    assert fitted((512, 512), 256, 32) == (256, 256)
    assert fitted((100, 40), 256, 32) == (96, 32)
    rows, columns = fitted((1024, 256), 256, 32)
    assert rows > columns
    assert abs(rows * columns - 256**2) < 0.2 * 256**2


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"scheduler": "ddim"}, "no scheduler"),
        ({"image": None, "strength": 1.0}, "give it one"),
        ({"negative_prompt": "red"}, "no negative prompt"),
    ],
)
def test_it_refuses_what_it_cannot_do(values: dict[str, object], named: str) -> None:
    with pytest.raises(RequestError, match=named):
        model("colorize").prepare(request(**values))


def test_it_says_what_did_nothing() -> None:
    it = model("colorize")
    plain = request(strength=1.0)
    it.prepare(plain)
    assert it.notes(plain) == ()
    busy = request(prompt="a red house", strength=0.3, steps=20, guidance=5.0, count=2)
    it.prepare(busy)
    assert len(it.notes(busy)) == 4
    assert it.notes(request(strength=0.3)) == (), "nobody can tell whether it was chosen"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "whole"
    save_generator(generator("colorize"), folder, "Colour")
    return folder


def test_a_folder_comes_back_as_it_was(whole: Path) -> None:
    back = load_generator(whole, torch.device("cpu"))
    ours = generator("colorize")
    assert back.config == ours.config
    for key, value in ours.state_dict().items():
        assert torch.equal(back.state_dict()[key], value.half().float()), key
    size = sum(path.stat().st_size for path in whole.iterdir())
    assert size < 2.2 * sum(p.numel() for p in ours.parameters()) + 6000


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "config.json").write_text("{}"), "config.json does not describe"),
        (lambda f: (f / "config.json").write_text("[]"), "config.json does not describe"),
        (lambda f: change(f, channels=[8]), "config.json does not describe"),
        (lambda f: change(f, channels=[8, 16]), "model.safetensors does not fit its config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
        (
            lambda f: (f / "model.safetensors").write_bytes(b"<html>"),
            "model.safetensors is damaged",
        ),
    ],
)
def test_a_damaged_folder_is_refused_with_the_file_named(
    whole: Path, tmp_path: Path, damage: Damage, named: str
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    damage(folder)
    with pytest.raises(ModelError, match=named):
        load_generator(folder, torch.device("cpu"))


def change(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
