"""With LoRAs too, the engine's picture for a seed is diffusers' own, within 1/255."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.request import GenerationRequest
from tests import tiny_adapters
from tests.integration.inference.lora_traffic import (
    FILES,
    MIXES,
    LoraReference,
    asked,
    engine_for,
    fill_shelf,
    load_with,
)
from tests.integration.inference.traffic import pixels, run, run_staggered


def table(source: bytes) -> Iterator[GenerationRequest]:
    for number, tags in enumerate(MIXES):
        for strength, guidance in ((0.5, 5.0), (1, 1.0)):
            yield asked(
                f"a red house{tags}",
                source,
                negative_prompt="fog",
                strength=strength,
                guidance=guidance,
                seed=number,
                scheduler="ddim",
            )


@pytest.mark.parametrize("model", FILES)
def test_alone_and_in_staggered_traffic_of_different_loras(
    models: dict[str, Path], source: bytes, tmp_path: Path, model: str
) -> None:
    folder, shelf = models[model], fill_shelf(tmp_path, models[model])
    requests = list(table(source))
    reference = LoraReference(folder, shelf)
    expected = [reference.run(request) for request in requests]
    assert all(np.abs(other - expected[0]).max() > 8 for other in expected[2::2])  # they show
    driven = load_with(folder, shelf)
    engine = engine_for(driven, folder)
    for request, picture in zip(requests, expected, strict=True):
        found = pixels(run(engine, [request])[0].images[0].data)
        assert np.abs(found - picture).max() <= 1, request.loras
    arrivals = random.Random(2)
    staggered = [(arrivals.randrange(12), request) for request in requests]
    engine = engine_for(driven, folder, strict=False, rows=8, slots=6, together=3)
    for result, picture in zip(run_staggered(engine, staggered), expected, strict=True):
        assert np.abs(pixels(result.images[0].data) - picture).max() <= 1


SPECIAL = {
    "convolutions": {"style": "kohya", "alpha": 2.0, "wanted": re.compile(r"conv|proj")},
    "half precision": {"dtype": torch.float16},
    "one α for all in its metadata": {
        "metadata": tiny_adapters.peft_metadata("unet", r=4, lora_alpha=2, target_modules=["to_q"])
    },
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_special_files(models: dict[str, Path], source: bytes, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "loras" / "odd.safetensors"
    tiny_adapters.lora(path, models["sd"], **SPECIAL[kind])
    request = asked("a red house <lora:odd:0.8>", source, seed=5)
    expected = LoraReference(models["sd"], tmp_path).run(request)
    engine = engine_for(load_with(models["sd"], tmp_path), models["sd"])
    found = pixels(run(engine, [request])[0].images[0].data)
    assert np.abs(found - expected).max() <= 1
    plain = pixels(run(engine, [request.change(loras=())])[0].images[0].data)
    assert np.abs(found - plain).max() > 8
