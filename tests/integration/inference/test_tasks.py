"""Tasks beside image-to-image, through the engine and in traffic with it."""

import numpy as np
import pytest

from inference.engine.engine import Engine
from inference.request import LADDER, GenerationRequest
from inference.result import Progress
from inference.tasks.colorize import LUMA
from inference.tasks.sketch import clean_drawing
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import open_png, pixels, png, run


def ask(source: bytes, **changes: object) -> GenerationRequest:
    request = GenerationRequest(prompt="a lighthouse", image=source, steps=6, seed=5)
    return request.change(**changes)


@pytest.fixture(scope="module")
def engine(load: LoadEngine) -> Engine:
    return load("sd")


def test_a_ladder_is_its_pictures_made_alone(engine: Engine, source: bytes) -> None:
    ladder = ask(source, strengths=LADDER)
    (sheet,) = run(engine, [ladder])
    assert len(sheet.images) == len(LADDER)
    assert {image.seed for image in sheet.images} == {5}
    assert sheet.steps_run == 6
    for index, image in enumerate(sheet.images):
        (alone,) = run(engine, [ladder.single(index)])
        assert alone.images[0].data == image.data


def test_the_progress_of_a_ladder_counts_all_of_its_steps(engine: Engine, source: bytes) -> None:
    told: list[Progress] = []
    request = ask(source, strengths=(0.2, 0.5, 1.0))
    engine.submit(1, request, told.append)
    while engine.has_work:
        engine.step()
    assert {progress.steps for progress in told} == {request.total_steps} == {1 + 3 + 6}
    assert told[-1].step == 10


def test_a_sketch_is_image_to_image_over_clean_paper(engine: Engine, source: bytes) -> None:
    sketch, plain = run(
        engine,
        [
            ask(source, task="sketch", strength=0.8),
            ask(png(clean_drawing(open_png(source))), strength=0.8),
        ],
    )
    assert sketch.images[0].data == plain.images[0].data


def test_colouring_keeps_the_light(engine: Engine, source: bytes) -> None:
    (result,) = run(engine, [ask(source, task="colorize", strength=0.7)])
    made, given = pixels(result.images[0].data), pixels(source)
    assert np.abs(made @ LUMA - given @ LUMA).max() <= 1.01
    assert np.abs(made.astype(int) - given).max() > 10


def test_the_tasks_share_forward_passes(load: LoadEngine, source: bytes) -> None:
    engine = load("sd", strict=False, rows=8, slots=8)
    run(engine, [ask(source, task=task, strength=0.5) for task in ("img2img", "sketch")])
    before = engine.calls
    tasks = ("img2img", "sketch", "colorize", "img2img")
    run(engine, [ask(source, task=task, strength=0.5) for task in tasks])
    assert engine.calls - before == 3


def test_strength_0_gives_the_source_whatever_the_task(engine: Engine, source: bytes) -> None:
    for task in ("sketch", "colorize"):
        (result,) = run(engine, [ask(source, task=task, strength=0)])
        assert (pixels(result.images[0].data) == pixels(source)).all()
