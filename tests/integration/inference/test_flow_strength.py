"""What strength, size and scheduler mean to flow-matching transformers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference.engine.engine import Engine
from inference.engine.job import Job
from inference.engine.settings import EngineSettings
from inference.engine.slot import open_slot
from inference.errors import RequestError
from inference.families.latents import draw_noise
from inference.families.load import load_model
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import Progress
from tests import tiny_flow
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import open_png, pixels, png, run

MODELS = ["sd3", "flux"]


def ask(source: bytes, **changes: object) -> GenerationRequest:
    request = GenerationRequest(prompt="a fox", image=source, width=64, height=64, guidance=3.5)
    return request.change(**changes)


@pytest.mark.parametrize("model", MODELS)
def test_at_1_a_flow_does_not_look_at_the_source(
    load: LoadEngine, source: bytes, model: str
) -> None:
    other = png(Image.new("RGB", (64, 64), "orange"))
    asked = ask(source, strength=1, steps=3)
    results = run(load(model), [asked.change(image=image) for image in (source, other, None)])
    assert len({result.images[0].data for result in results}) == 1
    assert results[0].steps_run == 3


@pytest.mark.parametrize("model", MODELS)
def test_a_flow_s_steps_are_told_as_they_run(load: LoadEngine, source: bytes, model: str) -> None:
    """Where strength × steps is no whole number, one more than the recipe's estimate."""
    engine = load(model)
    for strength, steps, ran in (
        (1e-17, 20, 1),
        (0.01, 1, 1),
        (0.01, 20, 1),
        (0.35, 20, 7),
        (0.3, 7, 3),
        (0.55, 5, 3),
        (0.999, 4, 4),
        (1, 4, 4),
    ):
        request = ask(source, strength=strength, steps=steps, guidance=1.0)
        told: list[Progress] = []
        before = engine.calls
        engine.submit(0, request, told.append)
        while not (outcomes := engine.step()):
            pass
        assert outcomes[0].result.steps_run == ran == engine.calls - before
        assert [(progress.step, progress.steps) for progress in told] == [
            (step, ran) for step in range(1, ran + 1)
        ]
        assert ran - request.steps_run in (0, 1)
        assert pixels(outcomes[0].result.images[0].data).std() > 1


@pytest.mark.parametrize("model", MODELS)
def test_at_0_a_flow_does_not_run(load: LoadEngine, source: bytes, model: str) -> None:
    engine = load(model)
    result = run(engine, [ask(source, strength=0)])[0]
    assert (engine.calls, result.steps_run) == (0, 0)
    assert (pixels(result.images[0].data) == pixels(source)).all()


@pytest.mark.parametrize("model", MODELS)
def test_a_scheduler_of_diffusion_is_refused_by_a_flow(
    load: LoadEngine, source: bytes, model: str
) -> None:
    engine = load(model)
    good, bad = ask(source, steps=2, strength=1), ask(source, scheduler="dpm++2m")
    engine.submit(0, bad, lambda progress: None)
    engine.submit(1, good, lambda progress: None)
    ended = {}
    while engine.has_work:
        ended |= {outcome.job_id: outcome.result for outcome in engine.step()}
    assert isinstance(ended[0], RequestError)
    assert str(ended[0]).endswith("does not suit this model; it runs with: flow-euler.")
    assert ended[1].scheduler == "FlowMatchEulerDiscreteScheduler"


def test_flow_euler_is_refused_by_a_diffusion_model(load: LoadEngine, source: bytes) -> None:
    with pytest.raises(RequestError, match="does not suit this model; it runs with: ddim, euler"):
        run(load("sd"), [ask(source, scheduler="flow-euler")])


def test_sd3_refuses_a_side_that_it_has_no_positions_for(load: LoadEngine, source: bytes) -> None:
    engine, most = load("sd3"), tiny_flow.MAX_SIDE
    image = run(engine, [ask(source, steps=1, width=most, height=64)])[0].images[0]
    assert (image.width, image.height) == (most, 64)
    with pytest.raises(RequestError) as caught:
        run(engine, [ask(source, width=64, height=most + 8)])
    assert str(caught.value) == (
        "64×272 pixels are too large for this model; the longest allowed side is 256."
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_size_that_is_no_multiple_of_16_is_padded_and_cropped(
    load: LoadEngine, source: bytes, model: str
) -> None:
    wide = png(open_png(source).resize((72, 88)))
    image = run(load(model), [ask(wide, steps=2, width=72, height=88)])[0].images[0]
    assert open_png(image.data).size == (72, 88)


@pytest.mark.parametrize("model", MODELS)
@torch.inference_mode()
def test_the_estimate_of_a_straight_flow_is_where_it_ends(
    load: LoadEngine, source: bytes, model: str
) -> None:
    """With the true velocity ε − x₀ every step's estimate is x₀."""
    engine: Engine = load(model)
    request = ask(source, strength=0.7, steps=5)
    driven = engine._model
    shape = driven.codec.shape(64, 64)
    posterior = driven.codec.encode([pixels(source).astype("uint8")])[0]
    job = Job(
        id=0,
        number=0,
        request=request,
        on_progress=lambda progress: None,
        submitted=0.0,
        size=shape,
        rows=driven.rows(request, width=64, height=64)[-1:],
        posterior=posterior,
    )
    slot = open_slot(driven, job, 0, None)
    again = torch.Generator().manual_seed(request.seed)
    clean = driven.codec.scale(posterior.sample(again))
    velocity = draw_noise(shape, again, driven.device) - clean
    while not slot.finished:
        slot.advance(velocity)
        assert slot.estimate is not None
        assert torch.allclose(slot.estimate, clean, atol=1e-5)
    assert torch.allclose(slot.latents, clean, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_flow_shows_previews(load: LoadEngine, source: bytes, model: str) -> None:
    told: list[Progress] = []
    engine = load(model, preview_seconds=0)
    engine.submit(0, ask(source, strength=1, steps=3), told.append)
    while not engine.step():
        pass
    assert [progress.preview is None for progress in told] == [False, False, True]
    assert told[0].preview is not None
    assert open_png(told[0].preview).size == (64, 64)


@pytest.mark.parametrize("model", MODELS)
def test_a_transformer_in_bf16_paints_nearly_the_same(
    models: dict[str, Path], load: LoadEngine, source: bytes, model: str
) -> None:
    request = ask(source, strength=0.7, steps=4)
    narrow = load_model(models[model], torch.device("cpu"), torch.bfloat16)
    engine = Engine(narrow, describe(models[model]), EngineSettings(strict=False))
    exact, near = (
        pixels(run(engine, [request])[0].images[0].data) for engine in (load(model), engine)
    )
    assert 0 < np.abs(exact - near).mean() < 3


def test_guidance_is_an_input_of_flux_and_of_schnell_none(load: LoadEngine, source: bytes) -> None:
    weak, strong = (ask(source, steps=2, guidance=guidance) for guidance in (1.5, 9.0))
    for model, alike in (("flux", False), ("schnell", True)):
        results = [run(load(model), [request])[0] for request in (weak, strong)]
        assert (results[0].images[0].data == results[1].images[0].data) is alike
        assert {result.batch_shape for result in results} == {"1x4x8x8"}
