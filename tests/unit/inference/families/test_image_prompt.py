"""The image adapter beside a model: what is remembered, what leaves no trace, what is refused."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPImageProcessor

from inference.errors import ModelError, PictureError
from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.image_adapter_info import TELLS
from inference.options import Style
from inference.request import GenerationRequest
from inference.tasks.files import as_png
from tests import tiny
from tests.tiny_image_adapters import WEIGHTS, image_adapter

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.sd(tmp_path_factory.mktemp("models") / "whole")
    image_adapter(folder / "ip_adapter", folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture(scope="module")
def model(whole: Path) -> UNetModel:
    return load(whole)


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def load(folder: Path) -> UNetModel:
    model = load_model(folder, CPU, torch.float32)
    assert isinstance(model, UNetModel)
    return model


def plain(shade: int) -> bytes:
    return as_png(Image.new("RGB", (48, 40), (shade, 90, 200)))


def asked(second: bytes, *, guidance: float = 5.0, **options: object) -> GenerationRequest:
    return GenerationRequest(
        prompt="a fox",
        task="style",
        guidance=guidance,
        image=plain(0),
        second=second,
        options=Style(**options),  # type: ignore[arg-type]
    )


def rows(model: UNetModel, request: GenerationRequest) -> list[Tensor]:
    found = model.rows(request, width=64, height=64)
    assert all(row.image is not None for row in found)
    return [row.image.tokens for row in found if row.image is not None]


def test_a_picture_is_looked_at_once(model: UNetModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model.image_adapter is not None
    network, looks = model.image_adapter.encoder.networks[0], 0

    def count(*_: object) -> None:
        nonlocal looks
        looks += 1

    hook = network.register_forward_hook(count)
    first, again, other = (rows(model, asked(plain(shade))) for shade in (10, 10, 250))
    hook.remove()
    assert looks == 2
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])
    assert torch.equal(first[0], other[0])  # what guidance steers away from is no picture
    assert first[1].shape == (1, 4, 32)
    assert len(rows(model, asked(plain(10), guidance=1.0))) == 1


def test_only_rows_that_see_a_picture_are_of_another_kind(model: UNetModel) -> None:
    request = asked(plain(10), keep="style")
    other = model.rows(asked(plain(99), keep="composition", scale=0.3), width=64, height=64)
    bare = model.rows(
        request.change(task="img2img", options=None, second=None), width=64, height=64
    )
    none = model.rows(asked(plain(10), scale=0.0), width=64, height=64)
    kinds = [row.kind for row in model.rows(request, width=64, height=64)]
    assert {row.kind for row in other} == set(kinds)
    assert {row.kind for row in bare} == {row.kind for row in none} != set(kinds)


def test_after_a_pass_there_is_no_trace_of_it(model: UNetModel) -> None:
    before = dict(model.unet.attn_processors)
    row = model.rows(asked(plain(10), guidance=1.0), width=64, height=64)[0]
    line = (torch.zeros(1, 4, 8, 8), torch.tensor(500), row)
    model.predict([line])
    assert model.unet.attn_processors == before
    wrong = (torch.zeros(1, 3, 8, 8), torch.tensor(500), row)
    with pytest.raises(RuntimeError):
        model.predict([wrong])
    assert model.unet.attn_processors == before


def test_what_is_compiled_knows_no_pictures(model: UNetModel) -> None:
    class Compiled:
        calls = 0

        def __call__(self, **inputs: object) -> tuple[Tensor]:
            self.calls += 1
            return (torch.ones(1, 4, 8, 8),)

    compiled = Compiled()
    fast = replace(model, compiled=compiled)  # type: ignore[arg-type]
    answers = []
    for scale in (1.0, 0.0):
        row = model.rows(asked(plain(10), guidance=1.0, scale=scale), width=64, height=64)[0]
        line = (torch.zeros(1, 4, 8, 8), torch.tensor(500), row)
        answers.append((model.predict([line]), fast.predict([line])))
    assert compiled.calls == 1
    assert torch.equal(*answers[0])
    assert not torch.equal(*answers[1])


def test_the_image_encoder_leaves_with_the_text_encoders(model: UNetModel) -> None:
    assert model.image_adapter is not None
    assert set(model.image_adapter.encoder.networks) < set(model.modules.text_encoders)


def test_a_file_that_is_no_picture_is_refused(model: UNetModel) -> None:
    with pytest.raises(PictureError):
        rows(model, asked(b"<html>"))


def test_a_processor_of_its_own_has_the_last_word(folder: Path) -> None:
    picture = as_png(Image.fromarray(np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)))
    usual = rows(load(folder), asked(picture))[1]
    CLIPImageProcessor(size=32, crop_size=32, do_center_crop=True).save_pretrained(
        folder / "ip_adapter" / "image_encoder"
    )
    assert torch.equal(rows(load(folder), asked(picture))[1], usual)
    CLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False).save_pretrained(
        folder / "ip_adapter" / "image_encoder"
    )
    assert not torch.equal(rows(load(folder), asked(picture))[1], usual)


def test_what_tells_style_alone_may_tell_it_to_every_layer(folder: Path, model: UNetModel) -> None:
    (path,) = (folder / "ip_adapter").glob("*.safetensors")
    save_file(load_file(path), path, metadata={TELLS: "style"})
    for loaded, every in ((model, False), (load(folder), True)):
        assert loaded.image_adapter is not None
        assert all("style" in layer.keeps for layer in loaded.image_adapter.layers) is every


def test_without_the_folder_there_is_none(folder: Path) -> None:
    shutil.rmtree(folder / "ip_adapter")
    assert load(folder).image_adapter is None


def test_another_folder_may_be_named(folder: Path) -> None:
    (folder / "ip_adapter").rename(folder.parent / "elsewhere")
    (folder / "palimpsest.json").write_text('{"ip_adapter": "../elsewhere"}')
    assert load(folder).image_adapter is not None


def change_weights(adapter: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(adapter / WEIGHTS)
    change(weights)
    save_file(weights, adapter / WEIGHTS)


def change_config(adapter: Path, **values: object) -> None:
    path = adapter / "image_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def make_plus(weights: dict[str, Tensor]) -> None:
    del weights["image_proj.proj.weight"]
    weights["image_proj.latents"] = torch.zeros(1, 16, 32)


def make_narrow(weights: dict[str, Tensor]) -> None:
    weights["image_proj.norm.weight"] = torch.ones(16)


K = "ip_adapter.3.to_k_ip.weight"
Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda a: (a / WEIGHTS).unlink(), "ip_adapter holds no image adapter"),
        (
            lambda a: shutil.copy(a / WEIGHTS, a / "b.safetensors"),
            "several image adapters .*b.safe",
        ),
        (lambda a: (a / WEIGHTS).write_bytes(b"<html>"), f"{WEIGHTS} is damaged"),
        (lambda a: shutil.rmtree(a / "image_encoder"), "image_encoder is missing"),
        (lambda a: (a / "image_encoder" / "config.json").unlink(), "config.json is missing"),
        (lambda a: change_config(a, architectures=["CLIPModel"]), "not supported, CLIPModel"),
        (lambda a: change_config(a, projection_dim=99), "another image encoder: .* 24, .* 99"),
        (lambda a: change_weights(a, make_plus), "no plain image adapter; such as “plus”"),
        (lambda a: change_weights(a, make_narrow), "another base model: .* 16 wide, .* 32"),
        (lambda a: change_weights(a, lambda w: w.pop(K)), f"{K} is missing"),
        (lambda a: change_weights(a, lambda w: w.update({K: torch.ones(2, 2)})), f"{K} is missing"),
        (
            lambda a: change_weights(a, lambda w: w.pop("image_proj.proj.bias")),
            "is damaged: .*bias",
        ),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, damage: Damage, named: str) -> None:
    damage(folder / "ip_adapter")
    with pytest.raises(ModelError, match=named):
        load(folder)
