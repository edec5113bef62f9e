"""LoRAs in requests: names, weights, tags in the prompt, and the way through the job log."""

import json
import pickle

import pytest

from inference.errors import RequestError
from inference.loras import LoraUse, check_no_tag, parse_lora, take_loras, with_tags
from inference.request import Recipe


def use(name: str, weight: float = 1.0) -> LoraUse:
    return LoraUse(name=name, weight=weight)


@pytest.mark.parametrize(
    ("prompt", "rest", "loras"),
    [
        ("a house", "a house", ()),
        ("  a house ", "  a house ", ()),
        ("a house <lora:ink:0.8>", "a house", (use("ink", 0.8),)),
        ("<lora:ink> a house", "a house", (use("ink"),)),
        ("a <lora:ink:1>, b", "a, b", (use("ink"),)),
        ("a<lora:ink:1>b", "a b", (use("ink"),)),
        ("a < LoRA : ink two : -.5 > b", "a b", (use("ink two", -0.5),)),
        ("<lora:a:1><lora:b_v1.2:2>", "", (use("a"), use("b_v1.2", 2))),
        ("a (b:1.2) <lora:ink:+0.5>", "a (b:1.2)", (use("ink", 0.5),)),
        ("<loran:x:1> 3<4", "<loran:x:1> 3<4", ()),
    ],
)
def test_tags_are_taken_out_of_the_prompt(
    prompt: str, rest: str, loras: tuple[LoraUse, ...]
) -> None:
    assert take_loras(prompt) == (rest, loras)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("<lora:ink:3>", "The weight 3 of the LoRA “ink” is outside -2 to 2; the nearest allowed "),
        ("<lora:ink:-2.1>", "the nearest allowed value is -2."),
        ("<lora::1>", "cannot be the name of a LoRA"),
        ("<lora:>", "cannot be the name of a LoRA"),
        ("<lora:ink:0.5:0.5>", "cannot be the name of a LoRA"),
        ("<lora:../../etc/passwd:1>", "cannot be the name of a LoRA"),
        ("<lora:a\\b:1>", "cannot be the name of a LoRA"),
        (f"<lora:{'x' * 81}:1>", "1 to 80 characters"),
        ("a <lora:ink:0.8 house", "“<lora:ink:0.8 house” in the prompt is not of the form <lora:"),
    ],
)
def test_a_tag_that_cannot_be_understood_is_refused(prompt: str, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        take_loras(prompt)
    assert says in str(caught.value)


def test_a_negative_prompt_takes_no_tag() -> None:
    check_no_tag("fog", where="negative prompt")
    with pytest.raises(RequestError, match="in the negative prompt has no meaning"):
        check_no_tag("fog <lora:ink:1>", where="negative prompt")


def test_tags_can_be_written_back() -> None:
    loras = (use("a b", 0.123456789), use("faint", 0.00001), use("ink", -1))
    for prompt in ("a house", "", "a (house:1.2)"):
        assert take_loras(with_tags(prompt, loras)) == (prompt, loras)
    assert with_tags("a house", ()) == "a house"


@pytest.mark.parametrize("text", ["ink", " ink ", "ink:1", "ink : 1.0", "ink:+1."])
def test_a_weight_may_be_left_out(text: str) -> None:
    assert parse_lora(text) == use("ink")


@pytest.mark.parametrize("text", ["", " ", "ink:", "ink:much", "ink:nan", "a/b", "a:b:1", "a\nb"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        parse_lora(text)


def test_the_order_of_loras_does_not_matter() -> None:
    one = Recipe(prompt="x", loras=(use("b", 0.5), use("a")))
    other = Recipe(prompt="x", loras=(use("a"), use("b", 0.5)))
    assert one == other
    assert one.loras == (use("a"), use("b", 0.5))


@pytest.mark.parametrize(
    ("loras", "says"),
    [
        ((use("a"), use("a", 0.5)), "“a” is asked for twice, with the weights 0.5 and 1;"),
        (tuple(use(str(n)) for n in range(6)), "6 LoRAs are asked for; at most 5 are allowed"),
    ],
)
def test_too_many_or_one_twice_are_refused(loras: tuple[LoraUse, ...], says: str) -> None:
    with pytest.raises(RequestError) as caught:
        Recipe(prompt="x", loras=loras)
    assert says in str(caught.value)


def test_they_survive_the_job_log_and_a_pipe() -> None:
    recipe = Recipe(prompt="x", loras=(use("ink", 0.8), use("wash “1”", -1)))
    assert Recipe.from_json(recipe.to_json()) == recipe
    request = recipe.change(strength=1).with_picture(None)
    assert pickle.loads(pickle.dumps(request)) == request


def test_rows_from_before_there_were_loras_still_load() -> None:
    old = json.loads(Recipe(prompt="x", seed=3).to_json())
    del old["loras"]
    assert Recipe.from_json(json.dumps(old)) == Recipe(prompt="x", seed=3)


@pytest.mark.parametrize("loras", ["ink", 5, [{"name": "x", "path": "/"}], [{"weight": 1}], [5]])
def test_other_json_is_a_type_error(loras: object) -> None:
    with pytest.raises(TypeError):
        Recipe.from_json(json.dumps({"prompt": "x", "loras": loras}))
