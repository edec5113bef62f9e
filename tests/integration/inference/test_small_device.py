"""A device whose memory does not suffice: smaller pieces first, then a refusal that says what fits.

The models are real; see `SmallDevice`.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.engine.engine import Engine
from inference.engine.job import Outcome
from inference.engine.preview import Preview
from inference.engine.settings import EngineSettings
from inference.errors import OutOfMemory, RequestError
from inference.families.load import load_model
from inference.families.model import UNetModel
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GenerationResult
from tests.integration.inference.traffic import open_png, pixels, png, run
from tests.small_device import PLENTY, OnCpu, SmallDevice

ROW = 8 * 8
"""Latent places of a row of the pictures of 64×64 pixels."""

ALWAYS = {"strict": True, "saturation": float("inf")}
"""In strict mode, forward passes of `rows` rows."""


@pytest.fixture(scope="module")
def model(models: dict[str, Path]) -> UNetModel:
    loaded = load_model(models["sd"], torch.device("cpu"), torch.float32)
    assert isinstance(loaded, UNetModel)
    return loaded


class Blank(Preview):
    """Needs no passes that would be counted."""

    def jpeg(self, latents: Tensor, share: tuple[float, float]) -> bytes:
        return b""


class Bench:
    """Makes engines for one model, on small devices and on large ones."""

    def __init__(self, model: UNetModel, folder: Path) -> None:
        self.model = model
        self.info = describe(folder)

    def engine(self, **settings: Any) -> Engine:
        preview = Blank(self.model.codec)
        return Engine(self.model, self.info, EngineSettings(**settings), preview=preview)

    def small(self, device: SmallDevice, model: UNetModel, **settings: Any) -> Engine:
        preview = Blank(model.codec)
        return Engine(model, self.info, EngineSettings(**settings), preview=preview, memory=device)


@pytest.fixture(scope="module")
def bench(model: UNetModel, models: dict[str, Path]) -> Bench:
    return Bench(model, models["sd"])


@pytest.fixture
def device() -> SmallDevice:
    return SmallDevice()


@pytest.fixture
def held(device: SmallDevice, model: UNetModel) -> Iterator[UNetModel]:
    with device.holding(model) as held:
        yield held


@pytest.fixture
def ask(source: bytes) -> GenerationRequest:
    return GenerationRequest(
        prompt="a pier", steps=4, strength=0.5, width=64, height=64, seed=3, image=source
    )


def outcomes(
    engine: Engine,
    requests: list[GenerationRequest],
    *,
    ticks: int = 0,
    then: Callable[[], None] = lambda: None,
) -> dict[int, Outcome]:
    """How each request ended, by its place. then: is called after so many ticks."""
    for number, request in enumerate(requests):
        engine.submit(number, request, lambda progress: None)
    ended: dict[int, Outcome] = {}
    for tick in count():
        if tick == ticks:
            then()
        ended |= {outcome.job_id: outcome for outcome in engine.step()}
        if not engine.has_work:
            return ended
    raise AssertionError


def refusal(engine: Engine, request: GenerationRequest) -> str:
    outcome = outcomes(engine, [request])[0].result
    assert isinstance(outcome, RequestError), outcome
    return str(outcome)


def alike(found: GenerationResult, expected: GenerationResult, *, within: int) -> None:
    for one, other in zip(found.images, expected.images, strict=True):
        assert np.abs(pixels(one.data) - pixels(other.data)).max() <= within


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, OnCpu])
def test_fast_batches_halve_and_nothing_is_lost(
    bench: Bench, model: UNetModel, ask: GenerationRequest, error: type[Exception]
) -> None:
    device = SmallDevice(error=error)
    requests = [ask.change(seed=seed) for seed in range(6)]
    requests.append(ask.change(width=128, guidance=1.0))
    with device.holding(model) as held:
        engine = bench.small(device, held, strict=False, rows=8, slots=8)
        ended = outcomes(
            engine, requests, ticks=1, then=lambda: setattr(device, "denoise", 3 * ROW)
        )
    assert all(isinstance(outcome.result, GenerationResult) for outcome in ended.values())
    assert max(device.rows()) == 8
    assert device.refused == device.released == 2  # from eight rows to four, to two
    assert [reference() for reference in device.lost] == [None, None]


def test_results_of_smaller_batches_are_the_same(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    requests = [ask.change(seed=seed, guidance=1.0 + 4 * (seed % 2)) for seed in range(6)]
    expected = run(bench.engine(strict=False, rows=8, slots=8), requests)
    device.denoise = 3 * ROW
    engine = bench.small(device, held, strict=False, rows=8, slots=8)
    for found, other in zip(run(engine, requests), expected, strict=True):
        alike(found, other, within=1)


def test_the_next_request_begins_where_the_last_one_came_to(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    device.denoise, device.decode = ROW, ROW
    engine = bench.small(device, held, strict=False, rows=8, slots=8, together=4)
    run(engine, [ask, ask.change(seed=4), ask.change(seed=5), ask.change(seed=6)])
    refused, device.passes = device.refused, type(device.passes)()
    assert refused > 0
    run(engine, [ask.change(seed=7)])
    assert device.refused == refused
    assert device.rows() == [1] * 4  # two rows, one after the other, for two steps
    device.denoise = device.decode = PLENTY
    run(engine, [ask.change(width=96, seed=seed) for seed in range(2)])
    assert device.rows()[-1] == 4  # another size goes its own way


def test_strict_pictures_start_over_with_a_smaller_shape(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    request = ask.change(steps=8, guidance=5.0, scheduler="euler-a")
    others = [request.change(seed=9, count=2), ask.change(height=96)]
    large = run(bench.engine(rows=4, slots=8, **ALWAYS), [request])[0]
    device.denoise = 2 * ROW
    small = run(bench.small(device, held, rows=4, slots=8, **ALWAYS), [request])[0]
    assert (large.batch_shape, small.batch_shape) == ("4x4x8x8", "2x4x8x8")
    alike(small, large, within=1)
    for ticks in range(4):
        device.denoise = PLENTY
        engine = bench.small(device, held, rows=4, slots=8, **ALWAYS)
        ended = outcomes(
            engine,
            [request, *others],
            ticks=ticks,
            then=lambda: setattr(device, "denoise", 2 * ROW),
        )
        result = ended[0].result
        assert isinstance(result, GenerationResult)
        assert (result.batch_shape, result.images) == (small.batch_shape, small.images)
        assert all(isinstance(outcome.result, GenerationResult) for outcome in ended.values())


def test_a_picture_s_two_rows_can_go_one_after_the_other(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    device.denoise = ROW
    result = run(bench.small(device, held), [ask])[0]
    assert result.batch_shape == "1x4x8x8"
    alike(result, run(bench.engine(), [ask])[0], within=1)


def test_the_autoencoder_works_in_tiles(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    request = ask.change(width=320, height=256, guidance=1.0, count=2)
    whole = run(bench.engine(), [request])[0]
    device.passes.clear()
    device.encode = device.decode = 32 * 32
    engine = bench.small(device, held)
    tiled = run(engine, [request])[0]
    assert whole.batch_shape == "1x4x32x40"
    assert tiled.batch_shape == "1x4x32x40, encoded by 32, decoded by 32"
    assert max(places for use, _, places in device.passes if use == "decode") == 32 * 32
    error = pixels(tiled.images[1].data) - pixels(whole.images[1].data)
    assert 0 < (error.astype(float) ** 2).mean() < 100
    assert run(engine, [request])[0].images == tiled.images
    assert run(bench.small(device, held), [ask])[0].images == run(bench.engine(), [ask])[0].images


def test_a_source_that_is_remembered_is_encoded_again_where_tiles_are_needed_now(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    first = ask.change(width=320, height=256, guidance=1.0, steps=2)
    second = first.change(image=png(open_png(ask.image or b"").rotate(90)))
    engine = bench.small(device, held)
    shapes = [run(engine, [first])[0].batch_shape]
    device.encode = 32 * 32
    shapes += [run(engine, [second])[0].batch_shape]
    again = run(engine, [first])[0]
    assert [*shapes, again.batch_shape] == ["1x4x32x40", *["1x4x32x40, encoded by 32"] * 2]
    assert again.images == run(bench.small(device, held), [first])[0].images


def test_pictures_of_one_job_are_all_made_in_the_same_way(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    request = ask.change(width=320, height=256, guidance=1.0, steps=2)
    together = request.change(count=3)
    engine = bench.small(device, held, slots=1)
    then = lambda: setattr(device, "decode", 32 * 32)  # noqa: E731 - the first of three is done
    result = outcomes(engine, [together], ticks=1, then=then)[0].result
    assert isinstance(result, GenerationResult)
    assert result.batch_shape == "1x4x32x40, decoded by 32"
    alone = [run(engine, [request.change(seed=3 + index)])[0] for index in range(3)]
    assert [one.images[0].data for one in alone] == [image.data for image in result.images]


def test_attention_is_sliced_and_only_where_it_must_be(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    device.denoise, device.sliced = 2 * ROW, 4 * ROW
    large = ask.change(width=128, height=128)
    engine = bench.small(device, held)
    results = run(engine, [large, ask, ask.change(seed=8)])
    assert [result.batch_shape for result in results] == [
        "1x4x16x16, sliced", "2x4x8x8", "2x4x8x8"
    ]  # fmt: skip
    expected = run(bench.engine(), [large, ask])
    alike(results[0], expected[0], within=1)
    assert results[1].images == expected[1].images


def test_what_is_not_in_use_leaves_the_device(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    device.encode = device.decode = ROW - 1
    device.resting = ROW
    result = run(bench.small(device, held), [ask])[0]
    assert result.images == run(bench.engine(), [ask])[0].images
    assert len(device.away) == 2  # the text encoder and the autoencoder, which waits again
    assert device.refused == 1


@pytest.mark.parametrize("what", ["denoise", "encode", "decode"])
@pytest.mark.parametrize("strict", [True, False])
def test_a_refusal_names_the_largest_size_that_fits(
    bench: Bench, device: SmallDevice, ask: GenerationRequest, what: str, strict: bool
) -> None:
    with device.holding(bench.model) as held:
        setattr(device, what, 20 * 16)
        engine = bench.small(device, held, strict=strict, rows=4)
        check_refusals(engine, device, ask)


def check_refusals(engine: Engine, device: SmallDevice, ask: GenerationRequest) -> None:
    ended = outcomes(engine, [ask.change(width=256, height=192), ask])
    text = str(ended[0].result)
    assert isinstance(ended[0].result, RequestError)
    assert text == (
        "A picture of 256×192 pixels does not fit the memory here; "
        "the largest of this shape that does is 160×120."
    )
    assert isinstance(ended[1].result, GenerationResult)  # nobody else was struck
    picture = run(engine, [ask.change(width=160, height=120)])[0].images[0]
    assert open_png(picture.data).size == (160, 120)
    assert "160×120" in refusal(engine, ask.change(width=168, height=128))
    refused = device.refused
    assert refusal(engine, ask.change(width=256, height=192)) == text
    assert device.refused == refused + 1  # not every rung again, nor every size


def test_where_nothing_fits_the_refusal_says_so(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    device.denoise = 1
    text = refusal(bench.small(device, held), ask.change(strength=1))
    assert text.endswith("does not fit the memory here; no smaller one of this shape does.")


def test_a_prompt_that_cannot_be_read_for_want_of_memory_is_tried_again_elsewhere(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    device.read = 1
    ended = outcomes(bench.small(device, held), [ask.change(prompt="not read before")])
    assert isinstance(ended[0].result, OutOfMemory)
    device.read = PLENTY
    assert outcomes(bench.small(device, held), [ask])[0].result.images  # type: ignore[union-attr]


def test_fast_pictures_are_encoded_and_decoded_together_strict_ones_are_not(
    bench: Bench, device: SmallDevice, held: UNetModel, ask: GenerationRequest
) -> None:
    sources = [png(open_png(ask.image or b"").rotate(90 * turn)) for turn in range(4)]
    requests = [ask.change(image=source, guidance=1.0) for source in [*sources, sources[0]]]
    fast = bench.small(device, held, strict=False, rows=8, slots=8, together=4)
    run(fast, requests)
    assert device.rows("encode") == [4]
    assert device.rows("decode") == [1, 4]
    device.passes.clear()
    run(bench.small(device, held, slots=8), requests)
    assert device.rows("encode") == [1] * 4
    assert device.rows("decode") == [1] * 5
    device.passes.clear()
    device.encode, device.decode = ROW, 2 * ROW
    run(bench.small(device, held, strict=False, rows=8, slots=8, together=4), requests)
    assert device.rows("encode") == [1] * 4
    assert max(device.rows("decode")) <= 2
