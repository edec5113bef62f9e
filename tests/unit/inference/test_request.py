"""Recipes and requests: validated with a helpful sentence, priced, and round-tripped."""

import pickle
from dataclasses import FrozenInstanceError, fields

import pytest

from inference.errors import RequestError
from inference.request import (
    DECODE_COST,
    ENCODE_COST,
    LADDER,
    MAX_SEED,
    GenerationRequest,
    Recipe,
)


def test_a_recipe_survives_json_and_a_request_survives_pickle() -> None:
    recipe = Recipe(prompt="a “harbour” ☀", strength=0.35, seed=7, width=256, height=192)
    assert Recipe.from_json(recipe.to_json()) == recipe
    request = recipe.with_picture(b"png")
    assert request.image == b"png"
    assert pickle.loads(pickle.dumps(request)) == request
    assert all(getattr(request, f.name) == getattr(recipe, f.name) for f in fields(Recipe))


def test_a_model_without_strength_is_told_in_the_row_and_others_leave_no_trace() -> None:
    plain = Recipe(prompt="x")
    assert plain.has_strength
    assert "graded" not in plain.to_json()
    told = plain.change(graded=False)
    assert not told.has_strength
    assert Recipe.from_json(told.to_json()) == told
    assert Recipe(prompt="x", task="upscale").graded  # what has no strength is the task


def test_requests_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Recipe(prompt="x").seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"strength": 1.2}, "Strength 1.2 is outside 0 to 1; the nearest allowed value is 1."),
        ({"strength": float("nan")}, "outside 0 to 1"),
        ({"steps": 0}, "the nearest allowed value is 1."),
        ({"steps": 999}, "the nearest allowed value is 150."),
        ({"guidance": -1.0}, "the nearest allowed value is 0."),
        ({"seed": -1}, "the nearest allowed value is 0."),
        ({"seed": 2**40}, f"the nearest allowed value is {MAX_SEED}."),
        ({"count": 11}, "the nearest allowed value is 10."),
        ({"width": 256}, "both width and height"),
        ({"width": 250, "height": 256}, "width 250 is not a multiple of 8"),
        ({"width": 8192, "height": 256}, "the nearest allowed value is 4096."),
        ({"task": "knit"}, "“knit” is not one of"),
        ({"prompt": "x" * 2001}, "2001 characters; at most 2000"),
    ],
)
def test_a_wrong_value_is_refused_with_the_limit(values: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError) as caught:
        Recipe(**{"prompt": "x", **values})
    assert says in str(caught.value)


def test_without_a_picture_only_strength_one_makes_sense() -> None:
    with pytest.raises(RequestError, match="strength must be 1"):
        GenerationRequest(prompt="x", strength=0.5)
    assert GenerationRequest(prompt="x", strength=1.0).image is None


@pytest.mark.parametrize(
    ("strength", "steps", "run"),
    [(0, 20, 0), (0.01, 20, 1), (0.35, 20, 7), (0.6, 20, 12), (0.5, 1, 1), (1, 20, 20)],
)
def test_strength_decides_the_steps_that_run(strength: float, steps: int, run: int) -> None:
    assert Recipe(prompt="x", strength=strength, steps=steps).steps_run == run


def test_cost_is_rows_times_steps_times_megapixels_and_the_vae() -> None:
    recipe = Recipe(prompt="x", strength=0.5, steps=20, guidance=5, count=2)
    assert recipe.cost(1000, 1000) == pytest.approx(4 * 10 + 2 * 3 + 1.5)
    assert recipe.change(guidance=1.0).cost(1000, 1000) == pytest.approx(2 * 10 + 7.5)
    assert recipe.change(strength=0.0).cost(1000, 1000) == 0


def test_each_picture_of_a_request_has_a_seed_of_its_own() -> None:
    recipe = Recipe(prompt="x", seed=MAX_SEED, count=2)
    assert [recipe.seed_of(0), recipe.seed_of(1)] == [MAX_SEED, 0]


def test_a_ladder_is_one_seed_at_rising_strengths() -> None:
    recipe = Recipe(prompt="x", strengths=LADDER, seed=7, steps=20, guidance=1)
    assert (recipe.strengths, recipe.count, recipe.strength) == (LADDER, 6, 1.0)
    assert [recipe.single(i).strength for i in range(6)] == list(LADDER)
    assert {recipe.single(i).seed for i in range(6)} == {7}
    assert recipe.single(2) == Recipe(prompt="x", seed=7, steps=20, guidance=1, strength=0.5)
    assert recipe.total_steps == 4 + 7 + 10 + 13 + 16 + 20
    assert recipe.cost(1000, 1000) == 70 + 6 * DECODE_COST + ENCODE_COST
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"strengths": (0.5, 0.2)}, "rise"),
        ({"strengths": (0.5, 0.5)}, "rise"),
        ({"strengths": (0, 0.5)}, "above 0"),
        ({"strengths": (0.5, 1.5)}, "nearest allowed value is 1"),
        ({"strengths": tuple(i / 20 for i in range(1, 12))}, "Count 11"),
    ],
)
def test_a_ladder_with_a_broken_rung(values: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Recipe(prompt="x", **values)  # type: ignore[arg-type]


def test_pictures_of_one_request_alone() -> None:
    recipe = Recipe(prompt="x", seed=MAX_SEED, count=3)
    assert [recipe.single(i).seed for i in range(3)] == [MAX_SEED, 0, 1]
    assert recipe.single(1) == Recipe(prompt="x", seed=0)
    assert recipe.single(0).single(0) == recipe.single(0)
