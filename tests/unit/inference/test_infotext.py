"""The text that other programs read and write."""

import pytest

from inference.infotext import read_infotext, write_infotext
from inference.options import Upscale
from inference.request import Recipe


def write(recipe: Recipe) -> str:
    return write_infotext(
        recipe, seed=9, size=(64, 48), scheduler="DDIMScheduler", model_hash="abc"
    )


def test_the_form_is_the_one_that_others_read() -> None:
    recipe = Recipe(
        prompt="a barn,\nin snow",
        negative_prompt="people",
        scheduler="dpm++2m-karras",
        model="owner/barn-v2",
        strength=0.55,
    )
    assert write(recipe) == (
        "a barn,\nin snow\n"
        "Negative prompt: people\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5, Seed: 9, Size: 64x48, "
        "Model hash: abc, Model: barn-v2, Denoising strength: 0.55"
    )


def test_text_to_image_has_no_denoising_strength_and_an_unnamed_scheduler_its_class() -> None:
    text = write(Recipe(prompt="", strength=1))
    assert text.startswith("Steps: 20, Sampler: DDIMScheduler, CFG")
    assert "Denoising" not in text


def test_no_strength_is_said_that_means_nothing_to_the_task() -> None:
    recipe = Recipe(prompt="", task="upscale", options=Upscale(creativity=0.5), strength=0.6)
    assert "Denoising" not in write(recipe)


@pytest.mark.parametrize("prompt", ["", "one", "a\nb", "Steps of stone: many, many"])
@pytest.mark.parametrize("negative", ["", "fog", "fog\nrain"])
@pytest.mark.parametrize("model", ["pocket", 'a, "b": c'])
def test_what_was_written_is_read_back(prompt: str, negative: str, model: str) -> None:
    found = read_infotext(write(Recipe(prompt=prompt, negative_prompt=negative, model=model)))
    assert found is not None
    assert (found.prompt, found.negative_prompt) == (prompt, negative)
    assert found.values["Model"] == model
    assert found.values["Seed"] == "9"


@pytest.mark.parametrize("text", ["", "a barn", "a barn\nSampler: Euler a, Steps: 20"])
def test_other_texts_are_none_of_it(text: str) -> None:
    assert read_infotext(text) is None


@pytest.mark.parametrize(
    ("pairs", "values"),
    [
        ('Hires: "a, b: \\"c\\"", Model: v1', {"Hires": 'a, b: "c"', "Model": "v1"}),
        ('Hires: "a, b: c" d, Model: v1', {"Hires": '"a', "b": 'c" d', "Model": "v1"}),
        ('Hires: "a, Model: v1', {"Hires": '"a', "Model": "v1"}),
        (",, no pair,@mask a/b-c: d:e, k:", {"mask a/b-c": "d:e", "k": ""}),
    ],
)
def test_pairs_that_strangers_write(pairs: str, values: dict[str, str]) -> None:
    found = read_infotext(f"Steps: 1, {pairs}")
    assert found is not None
    assert found.values == {"Steps": "1"} | values


@pytest.mark.parametrize("part", [" ", "a", "a ", "a@", 'a: "', 'a: "\\', ":", "a: \t", '"', "\\"])
def test_a_long_text_takes_no_longer_than_it_is(part: str) -> None:
    """Each of these would take minutes or years if parts of it were read again and again."""
    assert read_infotext("Steps: 1, " + part * (200_000 // len(part))) is not None
