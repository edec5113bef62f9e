"""Tasks of several rounds through an engine with a model, and in traffic with each other."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.catalog import Catalog
from inference.engine.engine import Engine
from inference.engine.factory import load_engine
from inference.engine.programs import ProgramEngine
from inference.errors import GenerationCancelled
from inference.model_info import describe
from inference.options import Blend, Denoise, Loopback, TaskOptions, Upscale
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from inference.tasks.denoise import denoised
from inference.tasks.faithful import enlarged
from inference.tasks.loopback import strengths
from inference.tasks.tiles import Tiling
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import open_png, pixels, png
from tests.photographs import photograph

INFO_SIDE = 64


@pytest.fixture
def engine(load: LoadEngine, models: dict[str, Path]) -> ProgramEngine:
    inner = load("sd", strict=False, rows=16, slots=16)
    return ProgramEngine(inner, describe(models["sd"]))


def calls(engine: ProgramEngine) -> int:
    assert isinstance(engine.inner, Engine)
    return engine.inner.calls


def ask(source: bytes, task: str, options: TaskOptions, **changes: object) -> GenerationRequest:
    request = GenerationRequest(
        prompt="", task=task, options=options, image=source, steps=10, strength=0.5, guidance=1,
        second=source if task == "blend" else None,
    )  # fmt: skip
    return request.change(**changes)


def run(engine: ProgramEngine, *requests: GenerationRequest) -> list[GenerationResult]:
    results: dict[int, GenerationResult] = {}
    for job_id, request in enumerate(requests):
        engine.submit(job_id, request, lambda progress: None)
    while engine.has_work:
        for outcome in engine.step():
            if isinstance(outcome.result, Exception):
                raise outcome.result
            results[outcome.job_id] = outcome.result
    return [results[job_id] for job_id in sorted(results)]


def moments(picture: Image.Image) -> NDArray[np.float64]:
    """[mean and spread, channel]"""
    values = np.asarray(picture, dtype=np.float64).reshape(-1, 3)
    return np.stack([values.mean(axis=0), values.std(axis=0)])


def test_a_loopback_is_its_rounds_made_one_after_the_other(
    engine: ProgramEngine, source: bytes
) -> None:
    request = ask(source, "loopback", Loopback(times=3), seed=9)
    falling = strengths(request)
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == 0.5
    (whole,) = run(engine, request)
    picture = source
    for strength in falling:
        one = request.change(
            task="img2img", options=None, image=picture, strength=strength, match_colours=True
        )
        (result,) = run(engine, one)
        picture = result.images[0].data
    # Each round by hand is held to the round before, which is held to the source.
    difference = np.abs(pixels(whole.images[0].data) - pixels(picture))
    assert np.quantile(difference, 0.99) <= 2
    assert whole.steps_run == sum(int(10 * strength) for strength in falling)


def test_loopbacks_colours_are_the_sources(engine: ProgramEngine) -> None:
    source = photograph("chelsea", (100, 60, 180, 120))
    (result,) = run(engine, ask(png(source), "loopback", Loopback(times=4), strength=0.4))
    made = open_png(result.images[0].data)
    assert made.size == ask(png(source), "loopback", Loopback()).size((80, 60), INFO_SIDE**2)
    assert np.abs(moments(made)[0] - moments(source)[0]).max() < 4


@pytest.mark.parametrize("shape", [(300, 199), (146, 594), (191, 1712), (64, 64)])
def test_every_task_makes_the_size_that_was_told(
    engine: ProgramEngine, shape: tuple[int, int]
) -> None:
    source = png(photograph("coffee").resize(shape))
    for task, options in (("loopback", Loopback(times=2)), ("blend", Blend()), ("denoise", None)):
        request = ask(source, task, options or Denoise(sigma=3), steps=2)
        (result,) = run(engine, request)
        size = request.size(shape, INFO_SIDE**2)
        assert {(image.width, image.height) for image in result.images} == {size}
        assert open_png(result.images[0].data).size == size


def test_progress_rises_to_its_total_and_never_beyond(engine: ProgramEngine, source: bytes) -> None:
    for request in (
        ask(source, "loopback", Loopback(times=4), count=2),
        ask(source, "upscale", Upscale(factor=2, creativity=0.5)),
        ask(source, "blend", Blend(), count=3),
    ):
        told: list[Progress] = []
        engine.submit(0, request, told.append)
        while engine.has_work:
            engine.step()
        steps = [progress.step for progress in told]
        assert steps == sorted(steps)
        assert all(progress.step <= progress.steps for progress in told)
        assert len({progress.steps for progress in told}) == 1
        assert told[-1].step == told[-1].steps


def test_two_pictures_of_a_loopback_share_passes_and_are_those_made_alone(
    engine: ProgramEngine, source: bytes
) -> None:
    request = ask(source, "loopback", Loopback(times=3), count=2, seed=4)
    before = calls(engine)
    (both,) = run(engine, request)
    together = calls(engine) - before
    alone = [run(engine, request.single(index))[0] for index in (0, 1)]
    assert calls(engine) - before - together == 2 * together
    assert together == both.steps_run == alone[0].steps_run
    assert [image.seed for image in both.images] == [4, 5]
    for image, one in zip(both.images, alone, strict=True):
        difference = np.abs(pixels(image.data) - pixels(one.images[0].data))
        # Not strict: floats are added in another order.
        assert np.quantile(difference, 0.99) <= 1
    assert both.images[0].data != both.images[1].data


def test_rounds_of_different_tasks_share_passes(engine: ProgramEngine, source: bytes) -> None:
    request = ask(source, "loopback", Loopback(times=2))
    traffic = [
        request,
        ask(source, "blend", Blend(balance=0.3)),
        ask(source, "upscale", Upscale(factor=2, creativity=0.8)),
        ask(source, "upscale", Upscale(factor=2), prompt="a hill"),
        ask(source, "denoise", Denoise()),
        request.change(task="img2img", options=None),
    ]
    alone = 0
    for one in traffic:
        before = calls(engine)
        run(engine, one)
        alone += calls(engine) - before
    before = calls(engine)
    results = run(engine, *traffic)
    assert calls(engine) - before < 0.75 * alone
    assert [result.steps_run > 0 for result in results] == [True, True, True, False, False, True]
    assert results[3].notes == ("The prompt did nothing: at creativity 0 no model is asked.",)


def test_cancelling_a_loopback_in_its_second_round(engine: ProgramEngine, source: bytes) -> None:
    told: list[int] = []

    def watch(progress: Progress) -> None:
        told.append(progress.step)
        if progress.step == 7:  # the first round has 5
            engine.cancel(3)

    engine.submit(3, ask(source, "loopback", Loopback(times=4)), watch)
    outcomes = []
    while engine.has_work:
        outcomes += engine.step()
    assert [type(outcome.result) for outcome in outcomes] == [GenerationCancelled]
    assert told[-1] == 7
    assert not engine.inner.has_work


def test_a_round_that_fails_ends_the_job(
    engine: ProgramEngine, source: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = iter([source])
    monkeypatch.setattr("inference.tasks.loopback.as_png", lambda picture: next(files, b""))
    engine.submit(1, ask(source, "loopback", Loopback(times=3), count=2), lambda progress: None)
    outcomes = []
    while engine.has_work:
        outcomes += engine.step()
    assert len(outcomes) == 1
    assert "cannot be read" in str(outcomes[0].result)
    run(engine, ask(source, "blend", Blend()))


@pytest.mark.parametrize("balance", [0, 0.4, 1])
def test_a_blend_at_strength_0_is_the_mix_itself(engine: ProgramEngine, balance: float) -> None:
    first, second = (png(photograph(name, (90, 40, 170, 93))) for name in ("coffee", "chelsea"))
    request = ask(first, "blend", Blend(balance=balance), second=second, strength=0, count=2)
    (result,) = run(engine, request)
    assert result.steps_run == 0
    assert result.images[0].data == result.images[1].data
    if balance in (0, 1):
        size = request.size((80, 53), INFO_SIDE**2)
        one = open_png(second if balance else first)
        difference = np.abs(
            pixels(result.images[0].data) - np.asarray(one.resize(size, Image.Resampling.LANCZOS))
        )
        assert np.quantile(difference, 0.95) <= (12 if balance else 0)


def test_a_blend_at_balance_0_is_image_to_image(engine: ProgramEngine) -> None:
    first, second = (png(photograph(name, (90, 40, 154, 104))) for name in ("coffee", "chelsea"))
    request = ask(first, "blend", Blend(balance=0), second=second, seed=3)
    plain = request.change(task="img2img", options=None, second=None)
    (blended,), (painted,) = run(engine, request), run(engine, plain)
    assert blended.images[0].data == painted.images[0].data


def test_tiles_of_a_model_show_no_seam(engine: ProgramEngine, models: dict[str, Path]) -> None:
    source = photograph("coffee", (150, 60, 251, 127))
    request = ask(png(source), "upscale", Upscale(factor=2, creativity=1), count=2, prompt="cup")
    (result,) = run(engine, request)
    faithful = enlarged(source, 2)
    tiling = Tiling.of((202, 134), describe(models["sd"]))
    starts = sorted({corner[0] for corner in tiling.corners})
    borders = starts[1:] + [start + tiling.tile[0] for start in starts[:-1]]
    assert len(borders) == 6
    for image in result.images:
        steps = np.abs(np.diff(pixels(image.data).astype(int), axis=1))
        across = steps[:, [border - 1 for border in borders]]
        inside = np.delete(steps, [border - 1 for border in borders], axis=1)
        assert across.max() <= inside.max()
        assert across.mean(axis=(0, 2)).max() <= inside.mean(axis=(0, 2)).max()
        assert np.abs(moments(open_png(image.data)) - moments(faithful))[0].max() < 4
    assert result.images[0].data != result.images[1].data


def test_a_denoised_picture_comes_through(engine: ProgramEngine) -> None:
    source = photograph("coffee", (150, 60, 251, 127))
    (result,) = run(engine, ask(png(source), "denoise", Denoise(sigma=9), count=2))
    assert len(result.images) == 2
    assert open_png(result.images[1].data).tobytes() == denoised(source, (9, 9, 9)).tobytes()
    assert (result.steps_run, result.scheduler) == (0, "")


@pytest.fixture(scope="module")
def pocket() -> ProgramEngine:
    return load_engine(Catalog().find("pocket"), "cpu")


def chain(engine: ProgramEngine, picture: Image.Image, *, held: bool) -> Image.Image:
    """Ten times over, each the source of the next one."""
    for turn in range(10):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        request = GenerationRequest(
            prompt="a photo", image=buffer.getvalue(), strength=0.3, steps=7, guidance=1, seed=turn,
            width=64, height=64, match_colours=held,
        )  # fmt: skip
        (result,) = run(engine, request)
        picture = open_png(result.images[0].data)
    return picture


@pytest.mark.parametrize("name", ["coffee", "chelsea", "astronaut"])
def test_a_chain_of_ten_keeps_mean_and_spread(pocket: ProgramEngine, name: str) -> None:
    source = photograph(name).resize((64, 64), Image.Resampling.LANCZOS)
    wanted = moments(source)
    held = np.abs(moments(chain(pocket, source, held=True)) / wanted - 1)
    assert held.max() < 0.05
    drifted = np.abs(moments(chain(pocket, source, held=False)) / wanted - 1)
    assert drifted.max() > 0.1
