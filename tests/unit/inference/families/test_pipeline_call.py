"""How a request is said in the words of a pipeline's call."""

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from diffusers import DiffusionPipeline
from PIL import Image

from inference.errors import RequestError
from inference.families.pipeline_call import PipelineCall
from inference.request import GenerationRequest

SOURCE = Image.new("RGB", (64, 64))


class Guided(DiffusionPipeline):
    def __call__(self, prompt: str, guidance_scale: float, negative_prompt: str) -> None: ...


class TrulyGuided(DiffusionPipeline):
    def __call__(
        self, prompt: str, guidance_scale: float, true_cfg_scale: float, negative_prompt: str
    ) -> None: ...


class ZImageLike(Guided):
    """Counts guidance from 0."""


class Bare(DiffusionPipeline):
    components: ClassVar[dict[str, Any]] = {}

    def __call__(self, prompt: str, image: Any, width: int, height: int, max_area: int) -> None: ...


class Painting(DiffusionPipeline):
    def __call__(
        self, prompt: str, image: Any, strength: float, num_inference_steps: int
    ) -> None: ...


def call(pipe: Any) -> PipelineCall:
    return PipelineCall(pipe, name="It", guidance=5, steps=20)


def ask(**changes: Any) -> GenerationRequest:
    return GenerationRequest(**{"prompt": "fog", "strength": 1.0, "image": b"-"} | changes)


def arguments(pipe: Any, **changes: Any) -> dict[str, Any]:
    given = call(pipe).arguments(ask(**changes), 0, SOURCE, (96, 64))
    assert given.pop("prompt") == "fog"
    return given


def test_only_what_the_call_takes_is_passed() -> None:
    given = arguments(Bare(), negative_prompt="rain", guidance=3)
    assert given == {"image": SOURCE, "width": 96, "height": 64, "max_area": 96 * 64}


def test_guidance_where_it_leads_away_from_a_negative_prompt() -> None:
    assert arguments(Guided(), guidance=3) == {"guidance_scale": 3}
    assert arguments(Guided(), guidance=3, negative_prompt="rain") == {
        "guidance_scale": 3,
        "negative_prompt": "rain",
    }


def test_true_guidance_needs_a_negative_prompt_even_if_there_is_none() -> None:
    pipe = TrulyGuided()
    assert arguments(pipe, guidance=3) == {"true_cfg_scale": 3, "negative_prompt": " "}
    assert arguments(pipe, guidance=1) == {"true_cfg_scale": 1}
    rain = arguments(pipe, guidance=3, negative_prompt="rain")
    assert rain == {"true_cfg_scale": 3, "negative_prompt": "rain"}


def test_guidance_that_is_an_input_of_the_model() -> None:
    pipe = TrulyGuided()
    pipe.transformer = SimpleNamespace(config={"guidance_embeds": True})
    assert arguments(pipe, guidance=3) == {"guidance_scale": 3}
    with pytest.raises(RequestError, match="It takes no negative prompt"):
        call(pipe).prepare(ask(negative_prompt="rain"))


@pytest.mark.parametrize(("guidance", "passed"), [(0.5, 0.0), (1, 0.0), (1.5, 1.5), (5, 5)])
def test_where_no_guidance_is_0(guidance: float, passed: float) -> None:
    pipe = type("ZImagePipeline", (ZImageLike,), {})()
    assert arguments(pipe, guidance=guidance) == {"guidance_scale": passed}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"guidance": 3}, "It has no guidance; leave it at 5."),
        ({"steps": 8}, "It sets its steps itself; leave them at 20."),
        ({"negative_prompt": "rain"}, "It takes no negative prompt; leave it empty."),
        ({"scheduler": "ddim"}, "It cannot run with the scheduler “ddim”; it only runs with its"),
        ({"negative_prompt": "(rain:1.1)"}, "It takes no negative prompt"),
    ],
)
def test_what_the_call_does_not_take_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        call(Bare()).prepare(ask(**changes))
    assert sentence in str(caught.value)


def test_what_may_be_the_default_passes_with_a_note() -> None:
    for guidance in (5, 1):
        request = ask(strength=0.6, guidance=guidance)
        call(Bare()).prepare(request)
        assert call(Bare()).notes(request) == (
            "It has no strength; 0.6 did nothing.",
            f"It has no guidance; {guidance} did nothing.",
            "It sets its steps itself; 20 did nothing.",
        )


@pytest.mark.parametrize("steps", [1, 3, 7, 49, 150])
def test_a_strength_too_small_for_a_step_is_enough_for_one(steps: int) -> None:
    strength = arguments(Painting(), steps=steps, strength=0.001)["strength"]
    assert int(steps * strength) == 1  # as the older pipelines round
    assert int(max(steps - min(steps * strength, steps), 0)) == steps - 1  # as the newer ones do
    assert arguments(Painting(), steps=150, strength=0.4)["strength"] == 0.4
