"""In strict mode a picture's bytes depend on its request alone, for flow transformers too."""

import os
import random

import pytest
from PIL import Image

from inference.errors import GenerationCancelled
from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import ALWAYS, png, run, run_staggered

PATTERNS = int(os.environ.get("PATTERNS", "5"))
"""Of traffic, for each model and batch shape."""


def requests(source: bytes) -> list[GenerationRequest]:
    numbers = random.Random(11)
    picture = Image.effect_noise((64, 64), 90).convert("RGB")
    return [
        GenerationRequest(
            prompt=numbers.choice(["a fox", "the (fox:1.4) in the snow, oil on canvas", ""]),
            negative_prompt=numbers.choice(["", "fog"]),
            strength=numbers.choice([0.3, 0.55, 0.8, 1]),
            steps=numbers.randint(2, 4),
            guidance=numbers.choice([1.0, 4.0, 7.5]),
            seed=numbers.randrange(2**32),
            count=numbers.choice([1, 1, 1, 2]),
            scheduler=numbers.choice([None, "flow-euler"]),
            width=64,
            height=numbers.choice([64, 64, 64, 96]),
            image=numbers.choice([source, png(picture)]),
        )
        for _ in range(7)
    ]


@pytest.mark.parametrize(
    ("model", "rows"), [("sd3", 2), ("sd3", 4), ("flux", 4), ("flux", 6), ("schnell", 2)]
)
def test_random_flow_traffic_changes_no_byte(
    load: LoadEngine, source: bytes, model: str, rows: int
) -> None:
    asked = requests(source)
    alone = [run(load(model, rows=rows, **ALWAYS), [request])[0] for request in asked]
    numbers = random.Random(rows)
    for _ in range(PATTERNS):
        chosen = numbers.sample(range(len(asked)), numbers.randint(2, 5))
        slots, wide = numbers.randint(1, 8), numbers.choice([0, 8])
        engine = load(model, rows=rows, slots=slots, wide=wide, **ALWAYS)
        arrivals = [(numbers.randrange(6), asked[index]) for index in chosen]
        for index, result in zip(chosen, run_staggered(engine, arrivals), strict=True):
            assert result.images == alone[index].images
            assert result.batch_shape == alone[index].batch_shape


def test_a_neighbour_that_leaves_a_flow_changes_no_byte(load: LoadEngine, source: bytes) -> None:
    stays = GenerationRequest(
        prompt="a fox", steps=6, image=source, seed=1, width=64, height=64, guidance=3.5
    )
    engine = load("flux", rows=4, **ALWAYS)
    alone = run(load("flux", rows=4, **ALWAYS), [stays])[0]
    engine.submit(0, stays.change(seed=2), lambda progress: None)
    engine.submit(1, stays, lambda progress: None)
    engine.step()
    engine.cancel(0)
    (cancelled,) = engine.step()
    assert isinstance(cancelled.result, GenerationCancelled)
    while not (outcomes := engine.step()):
        pass
    assert outcomes[0].result.images == alone.images
