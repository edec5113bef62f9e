"""Presets put words around a prompt."""

import pytest

from inference.errors import RequestError
from inference.presets import BUILT_IN, MAX_NAME, MAX_WORDS, Preset
from inference.request import MAX_PROMPT


def test_the_words_go_around() -> None:
    preset = Preset(name="oil", prefix="oil painting of ", suffix="thick", negative_prompt="photo")
    assert preset.around(" a barn ") == "oil painting of a barn, thick"
    assert preset.around("") == "oil painting of, thick"
    assert preset.without("people") == "people, photo"
    assert preset.without("") == "photo"
    plain = Preset(name="plain")
    assert (plain.around("a barn"), plain.without("fog")) == ("a barn", "fog")


def test_a_dozen_good_ones_are_built_in() -> None:
    names = [preset.name for preset in BUILT_IN]
    assert len(set(names)) == len(names) >= 12
    asked = {"watercolour", "ink", "oil", "pixel art", "cyberpunk", "ukiyo-e", "blueprint"}
    assert asked | {"claymation"} <= set(names)
    assert all(name == name.lower() for name in names)
    assert all(preset.strength is not None for preset in BUILT_IN)
    assert all("a barn" in preset.around("a barn") for preset in BUILT_IN)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": ""}, f"1 to {MAX_NAME}"),
        ({"name": "x" * (MAX_NAME + 1)}, f"1 to {MAX_NAME}"),
        ({"prefix": "x" * (MAX_WORDS + 1)}, f"at most {MAX_WORDS}"),
        ({"suffix": "x" * (MAX_WORDS + 1)}, f"at most {MAX_WORDS}"),
        ({"negative_prompt": "x" * (MAX_WORDS + 1)}, f"at most {MAX_WORDS}"),
        ({"strength": 1.2}, "the nearest allowed value is 1"),
        ({"strength": -1}, "the nearest allowed value is 0"),
        ({"strength": float("nan")}, "outside"),
        ({"guidance": 31}, "the nearest allowed value is 30"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Preset(**({"name": "mine"} | values))  # type: ignore[arg-type]


def test_a_prompt_that_becomes_too_long_is_refused() -> None:
    preset = Preset(name="oil", prefix="oil painting of")
    with pytest.raises(RequestError, match=f"“oil” the prompt has {MAX_PROMPT + 16} characters"):
        preset.around("x" * MAX_PROMPT)
