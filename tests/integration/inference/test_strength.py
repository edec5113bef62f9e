"""What strength means, from untouched to text-to-image."""

import pytest
from PIL import Image

from inference.engine.engine import Engine
from inference.families.schedulers import scheduler_names
from inference.request import GenerationRequest
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import open_png, pixels, png, run


def ask(source: bytes, **changes: object) -> GenerationRequest:
    return GenerationRequest(prompt="a lighthouse", image=source).change(**changes)


@pytest.fixture(scope="module")
def engine(load: LoadEngine) -> Engine:
    return load("sd")


def test_at_0_the_source_comes_back_and_the_model_does_not_run(
    load: LoadEngine, source: bytes
) -> None:
    engine = load("sd")
    result = run(engine, [ask(source, strength=0, count=2)])[0]
    assert engine.calls == 0
    assert result.steps_run == 0
    assert result.batch_shape == ""
    for image in result.images:
        assert (pixels(image.data) == pixels(source)).all()


def test_at_0_another_size_is_the_source_scaled(engine: Engine, source: bytes) -> None:
    image = run(engine, [ask(source, strength=0, width=96, height=64)])[0].images[0]
    scaled = open_png(source).resize((96, 64), Image.Resampling.LANCZOS)
    assert open_png(image.data).tobytes() == scaled.tobytes()


def test_at_1_the_source_does_not_matter(engine: Engine, source: bytes) -> None:
    other = png(Image.new("RGB", (64, 64), "orange"))
    results = run(engine, [ask(picture, strength=1, steps=3) for picture in (source, other)])
    assert results[0].images[0].data == results[1].images[0].data
    assert results[0].steps_run == 3


def test_at_1_no_source_is_needed(engine: Engine, source: bytes) -> None:
    with_source, without = run(
        engine, [ask(source, strength=1, steps=3), ask(source, strength=1, steps=3, image=None)]
    )
    assert with_source.images[0].data == without.images[0].data


@pytest.mark.parametrize("scheduler", scheduler_names(flow=False))
def test_above_0_at_least_one_step_runs(engine: Engine, source: bytes, scheduler: str) -> None:
    """The sparsest schedules there are must neither fail nor give nonsense."""
    for steps, strength in ((1, 0.01), (1, 1), (20, 0.01), (2, 0.5)):
        result = run(engine, [ask(source, strength=strength, steps=steps, scheduler=scheduler)])[0]
        assert result.steps_run == 1
        if strength < 1:
            assert pixels(result.images[0].data).std() > 1


def test_at_1_a_schedule_may_begin_with_one_timestep_twice(load: LoadEngine, source: bytes) -> None:
    """Karras sigmas of a model with zero terminal SNR: 999, 999, 998, 998 …"""
    request = ask(source, strength=1, steps=30, scheduler="dpm++2m-karras")
    assert run(load("v"), [request])[0].steps_run == 30


def test_the_schedule_is_entered_where_diffusers_enters_it(load: LoadEngine, source: bytes) -> None:
    engine = load("sd")
    for strength, steps in ((0.35, 7), (0.6, 12), (0.75, 15), (0.999, 19), (1, 20)):
        before = engine.calls
        result = run(engine, [ask(source, strength=strength, steps=20)])[0]
        assert result.steps_run == steps == engine.calls - before


def test_without_a_wish_the_size_has_the_sources_shape(engine: Engine) -> None:
    wide = png(Image.new("RGB", (400, 100), "teal"))
    image = run(engine, [ask(wide, steps=2)])[0].images[0]
    assert (image.width, image.height) == open_png(image.data).size == (128, 32)


def test_a_wished_size_is_taken_as_it_is(engine: Engine, source: bytes) -> None:
    image = run(engine, [ask(source, steps=2, width=128, height=72)])[0].images[0]
    assert (image.width, image.height) == open_png(image.data).size == (128, 72)
