"""With a style picture the engine's picture for a seed is diffusers' own, within 1/255."""

import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.errors import RequestError
from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.loras import LoraUse
from inference.model_info import describe
from inference.options import Style
from inference.request import GenerationRequest
from inference.shelf import Shelf
from inference.training.__main__ import main
from inference.training.data import group
from inference.training.shards import gather, write
from tests import tiny, tiny_adapters
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import open_png, pixels, png, run, run_staggered
from tests.small_device import SmallDevice
from tests.tiny_image_adapters import WEIGHTS, image_adapter

CPU = torch.device("cpu")

PARTS: Mapping[str, Mapping[str, Any]] = {
    "sd": {
        "style": {"up": {"block_0": [1.0, 1.0]}},
        "composition": {"down": {"block_1": [1.0]}, "mid": 1.0},
    },
    # With several transformers in a block, as in Stable Diffusion 1.5 and in SDXL.
    "deep": {
        "style": {"up": {"block_0": [1.0, 1.0]}},
        "composition": {"down": {"block_2": [1.0]}, "mid": 1.0},
    },
    "sdxl": {
        "style": {"up": {"block_0": [0.0, 1.0]}},
        "composition": {"down": {"block_1": [1.0]}},
    },
}
"""As `set_ip_adapter_scale` wants to be told."""


@pytest.fixture(scope="module")
def styled(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models with an adapter beside them."""
    root = tmp_path_factory.mktemp("styled")
    folders = {"deep": tiny.sd(root / "deep", channels=(32, 32, 64))}
    for name in ("sd", "sdxl"):
        folders[name] = Path(shutil.copytree(models[name], root / name))
    for folder in folders.values():
        image_adapter(folder / "ip_adapter", folder)
    return folders


@pytest.fixture(scope="module")
def loaded(styled: dict[str, Path]) -> dict[str, UNetModel]:
    return {name: unet_model(folder) for name, folder in styled.items()}


def unet_model(folder: Path, shelf: Path | None = None) -> UNetModel:
    model = load_model(folder, CPU, torch.float32, shelf=Shelf(shelf))
    assert isinstance(model, UNetModel)
    return model


def engine_for(model: UNetModel, folder: Path, **settings: Any) -> Engine:
    return Engine(model, describe(folder), EngineSettings(**settings))


def look(seed: int, size: tuple[int, int] = (90, 70)) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return png(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC))


def asked(source: bytes, **values: Any) -> GenerationRequest:
    options = Style(scale=values.pop("scale", 0.8), keep=values.pop("keep", "both"))
    usual = {
        "prompt": "a red house",
        "task": "style",
        "strength": 0.6,
        "steps": 4,
        "image": source,
        "second": look(1),
    }
    return GenerationRequest(**usual | {"options": options} | values)


class StyleReference:
    """diffusers' image-to-image pipeline with its own image adapter."""

    def __init__(self, folder: Path, adapter: Path | None = None, weights: str = WEIGHTS) -> None:
        pipe = diffusers.AutoPipelineForImage2Image.from_pretrained(folder)
        pipe.load_ip_adapter(adapter or folder / "ip_adapter", subfolder="", weight_name=weights)
        pipe.set_progress_bar_config(disable=True)
        self.pipe = pipe

    def run(self, request: GenerationRequest, scale: Any) -> NDArray[np.int16]:
        assert request.image is not None
        assert request.second is not None
        self.pipe.set_ip_adapter_scale(scale)
        picture = self.pipe(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt or None,
            image=open_png(request.image),
            ip_adapter_image=open_png(request.second),
            strength=request.strength,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=torch.Generator().manual_seed(request.seed),
        ).images[0]
        return np.asarray(picture).astype(np.int16)


def scaled(part: Any, scale: float) -> Any:
    """The same with its ones replaced."""
    if isinstance(part, dict):
        return {name: scaled(each, scale) for name, each in part.items()}
    return [scaled(each, scale) for each in part] if isinstance(part, list) else part * scale


def diffusers_scale(model: str, request: GenerationRequest) -> Any:
    options = request.options
    assert isinstance(options, Style)
    if options.keep == "both":
        return options.scale
    return scaled(PARTS[model][options.keep], options.scale)


def table(source: bytes) -> list[GenerationRequest]:
    """Guidances, parts, scales and pictures of all kinds."""
    return [
        asked(
            source,
            guidance=guidance,
            keep=keep,
            scale=scale,
            seed=number,
            second=look(number % 3, (90, 70) if number % 2 else (32, 64)),
            negative_prompt="fog" if number % 2 else "",
            scheduler="ddim",
        )
        for number, (guidance, keep, scale) in enumerate(
            (guidance, keep, scale)
            for guidance in (1.0, 5.0)
            for keep, scale in (("both", 0.8), ("style", 1.0), ("composition", 0.6))
        )
    ]


@pytest.mark.parametrize("model", PARTS)
def test_alone_and_in_staggered_traffic_with_plain_requests(
    styled: dict[str, Path],
    loaded: dict[str, UNetModel],
    source: bytes,
    tmp_path: Path,
    model: str,
) -> None:
    reference, requests = StyleReference(styled[model]), table(source)
    expected = [reference.run(request, diffusers_scale(model, request)) for request in requests]
    for one in range(3):  # or the parts could be swapped unseen
        assert np.abs(expected[one] - expected[(one + 1) % 3]).max() > 8
    alone = engine_for(loaded[model], styled[model])
    for request, picture in zip(requests, expected, strict=True):
        found = pixels(run(alone, [request])[0].images[0].data)
        assert np.abs(found - picture).max() <= 1, request.options
    plain = [
        request.change(task="img2img", options=None, second=None, seed=20 + number)
        for number, request in enumerate(requests)
    ]
    bare = unet_model(bare_copy(styled[model], tmp_path))
    without = [run(engine_for(bare, styled[model]), [each])[0] for each in plain]
    engine = engine_for(loaded[model], styled[model], strict=False, rows=8, slots=6, together=3)
    arrivals = random.Random(3)
    staggered = [(arrivals.randrange(10), request) for request in [*requests, *plain]]
    results = run_staggered(engine, staggered)
    wanted = [*expected, *(pixels(each.images[0].data) for each in without)]
    for result, picture in zip(results, wanted, strict=True):
        assert np.abs(pixels(result.images[0].data) - picture).max() <= 1


def bare_copy(folder: Path, to: Path) -> Path:
    """The same model without its adapter."""
    shutil.copytree(folder, to / "bare", ignore=shutil.ignore_patterns("ip_adapter"))
    return to / "bare"


def test_in_strict_mode_traffic_changes_no_byte(
    styled: dict[str, Path], loaded: dict[str, UNetModel], models: dict[str, Path], source: bytes
) -> None:
    folder, bare = styled["sd"], unet_model(models["sd"])
    requests = table(source)
    plain = [request.change(task="img2img", options=None, second=None) for request in requests[::2]]
    alone = [run(engine_for(loaded["sd"], folder), [each])[0] for each in requests]
    alone += [run(engine_for(bare, models["sd"]), [each])[0] for each in plain]
    numbers = random.Random(7)
    for wide in (0, 0, 8, 8):
        engine = engine_for(loaded["sd"], folder, slots=numbers.randint(2, 8), wide=wide)
        staggered = [(numbers.randrange(6), each) for each in [*requests, *plain]]
        for result, expected in zip(run_staggered(engine, staggered), alone, strict=True):
            assert result.images == expected.images
            assert result.batch_shape == expected.batch_shape


@pytest.mark.parametrize("model", ["sd", "flux"])
def test_a_model_without_an_adapter_is_refused_at_once(
    load: LoadEngine, source: bytes, model: str
) -> None:
    engine = load(model)
    with pytest.raises(RequestError, match=f"“{model}” has none beside it"):
        engine.submit(0, asked(source), lambda progress: None)
    assert not engine.has_work


def test_without_weight_the_style_picture_is_as_if_it_were_not_there(
    styled: dict[str, Path], loaded: dict[str, UNetModel], source: bytes
) -> None:
    request = asked(source, scale=0.0)
    plain = request.change(task="img2img", options=None, second=None)
    engine = engine_for(loaded["sd"], styled["sd"])
    assert run(engine, [request])[0].images == run(engine, [plain])[0].images


def test_beside_a_lora_and_with_attention_worked_out_a_head_at_a_time(
    styled: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    path = tiny_adapters.lora(tmp_path / "loras" / "ink.safetensors", styled["sd"])
    reference = StyleReference(styled["sd"])
    reference.pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name="ink")
    request = asked(source, loras=(LoraUse(name="ink"),), guidance=5.0)
    expected = reference.run(request, 0.8)
    model = unet_model(styled["sd"], tmp_path)
    engine = engine_for(model, styled["sd"])
    assert np.abs(pixels(run(engine, [request])[0].images[0].data) - expected).max() <= 1
    model.unet.set_attention_slice("max")
    sliced = pixels(run(engine, [request])[0].images[0].data)
    assert np.abs(sliced - expected).max() <= 1


def test_the_image_encoder_is_on_a_small_device_only_while_it_looks(
    styled: dict[str, Path], loaded: dict[str, UNetModel], source: bytes
) -> None:
    folder, first = styled["sd"], asked(source)
    second = first.change(seed=9, second=look(2))
    expected = [run(engine_for(loaded["sd"], folder), [each])[0] for each in (first, second)]
    device = SmallDevice()
    with device.holding(loaded["sd"]) as held:
        device.decode, device.resting = 63, 64
        engine = Engine(held, describe(folder), EngineSettings(), memory=device)
        results = [run(engine, [each])[0] for each in (first, second)]
        # The autoencoder, the text encoder, the image encoder and its projection.
        assert len(device.away) == 4
        assert device.refused == 1
        assert held.image_adapter is not None
        hook = held.image_adapter.encoder.networks[0].register_forward_pre_hook(
            lambda network, _: here.append(id(network) not in device.away)
        )
        here: list[bool] = []
        run(engine, [first.change(second=look(3))])
        hook.remove()
    assert here == [True]
    assert [each.images for each in results] == [each.images for each in expected]


def test_an_adapter_that_was_trained_here(
    styled: dict[str, Path], source: bytes, tmp_path: Path
) -> None:
    """What `python -m inference.training adapter` writes can be laid beside the model."""
    folder = bare_copy(styled["sd"], tmp_path)
    write(gather((group(i, (64, 64)) for i in range(4)), 4), tmp_path / "shards")
    main(
        [
            *("adapter", "--out", str(tmp_path), "--model", str(folder), "--device", "cpu"),
            *("--shards", str(tmp_path / "shards"), "--batches", "64x64:2:1"),
            *("--steps", "2", "--sample-every", "9", "--learning-rate", "0.05"),
        ]
    )
    shutil.copytree(tmp_path / "adapter", folder / "ip_adapter")
    reference = StyleReference(folder, weights="ip_adapter.safetensors")
    engine = engine_for(unet_model(folder), folder)
    results = []
    for number in (1, 2):
        request = asked(source, second=look(number), guidance=5.0)
        results.append(pixels(run(engine, [request])[0].images[0].data))
        assert np.abs(results[-1] - reference.run(request, 0.8)).max() <= 1
    assert np.abs(results[0] - results[1]).max() > 0
