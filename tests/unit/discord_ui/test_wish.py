from dataclasses import replace
from typing import Any

import pytest

from bot.discord_ui.wish import (
    Wish,
    inpainted,
    parse_strength,
    parse_whole,
    rerolled,
    stronger,
    weaker,
)
from bot.errors import Refused, UserError
from bot.jobs.policy import check_recipe
from bot.model import GuildPolicy
from inference.errors import RequestError
from inference.model_info import ModelInfo
from inference.options import Outpaint
from inference.presets import Preset
from inference.request import MAX_SEED, TASK_STRENGTHS, Recipe

POLICY = GuildPolicy(guild_id=1, default_strength=0.4, default_steps=30, default_count=2)
MODEL = ModelInfo(id="pocket", title="Pocket", location="/models/pocket", default_guidance=3.5)
TURBO = ModelInfo(
    id="turbo",
    title="Turbo",
    location="/models/turbo",
    default_steps=4,
    default_guidance=1.0,
    default_scheduler="lcm",
)
EDITOR = ModelInfo(
    id="editor",
    title="Editor",
    location="/models/editor",
    family="StableDiffusionInstructPix2PixPipeline",
)
PARENT = Recipe(
    prompt="a harbour", negative_prompt="fog", strength=0.5, steps=12, guidance=7, seed=5, count=3
)


def test_missing_options_come_from_the_policy_and_the_model() -> None:
    recipe = Wish(prompt="ink").fresh(POLICY, MODEL)
    assert (recipe.strength, recipe.steps, recipe.count) == (0.4, 30, 2)
    assert (recipe.model, recipe.guidance, recipe.scheduler) == ("pocket", 3.5, None)


def test_a_distilled_model_brings_its_own_few_steps() -> None:
    recipe = Wish(prompt="ink").fresh(POLICY, TURBO)
    assert (recipe.steps, recipe.guidance, recipe.scheduler) == (4, 1.0, "lcm")
    assert Wish(prompt="ink", steps=9).fresh(POLICY, TURBO).steps == 9


@pytest.mark.parametrize("task", ["edit", "img2img", "inpaint", "loopback"])
@pytest.mark.parametrize("given", [None, POLICY.default_strength, 1])
def test_what_follows_instructions_has_no_strength(task: str, given: float | None) -> None:
    policy = replace(POLICY, max_strength=0.5)
    recipe = Wish(prompt="make it night", task=task, strength=given).fresh(policy, EDITOR)
    assert (recipe.strength, recipe.graded, recipe.has_strength) == (1, False, False)
    assert recipe.steps_run == recipe.steps
    check_recipe(policy, recipe)


def test_a_strength_that_a_model_cannot_have_is_refused_but_0_gives_the_source() -> None:
    with pytest.raises(RequestError, match=r"“editor” .* no strength such as 0\.7; leave it out"):
        Wish(prompt="make it night", strength=0.7).fresh(POLICY, EDITOR)
    assert Wish(prompt="make it night", strength=0).fresh(POLICY, EDITOR).strength == 0
    with pytest.raises(Refused, match=r"“editor” .* there is no ladder"):
        Wish(prompt="make it night", ladder=True).fresh(POLICY, EDITOR)


@pytest.mark.parametrize("task", ["edit", "upscale"])
def test_a_strength_without_meaning_is_not_fitted_to_the_servers(task: str) -> None:
    policy = replace(POLICY, max_strength=0.5, min_strength=0.4)
    assert Wish(prompt="", task=task).fresh(policy, MODEL).strength == TASK_STRENGTHS[task]


@pytest.mark.parametrize(
    ("given", "model", "strength"),
    [
        ({}, MODEL, 0.6),
        ({"strength": 0.3}, MODEL, 0.3),
        ({"task": "outpaint", "options": Outpaint(left=1)}, MODEL, 0.95),
        ({"task": "outpaint", "options": Outpaint(left=1), "strength": 0.3}, MODEL, 0.3),
        ({}, EDITOR, 1),
        ({"task": "inpaint"}, EDITOR, 1),
    ],
)
def test_a_presets_strength_is_no_members(
    given: dict[str, Any], model: ModelInfo, strength: float
) -> None:
    preset = Preset(name="watercolour", strength=0.6)
    wish = Wish(prompt="a mill", **given).styled(preset)
    assert wish.fresh(POLICY, model).strength == strength
    narrow = replace(POLICY, default_strength=0.3, max_strength=0.5)
    check_recipe(narrow, wish.fresh(narrow, model))
    without = replace(wish, preset_strength=None).fresh(POLICY, model)
    assert without.strength == (0.4 if strength == 0.6 else strength)


def test_within_a_mask_the_forms_own_strength_is_nobodys() -> None:
    parent, policy = PARENT.change(graded=False), replace(POLICY, max_strength=0.8)
    for strength, painted in ((None, 1), (0.8, 1), (1, 1), (0, 0)):
        recipe = inpainted(Wish(prompt="a door", strength=strength))(parent, policy)
        assert (recipe.task, recipe.strength, recipe.graded) == ("inpaint", painted, False)
    with pytest.raises(RequestError, match=r"no strength such as 0\.5"):
        inpainted(Wish(prompt="a door", strength=0.5))(parent, policy)
    # A model that has one is given the task's where the form says nothing.
    assert inpainted(Wish(prompt="a door"))(PARENT, policy).strength == 0.8
    assert inpainted(Wish(prompt="a door", strength=0.3))(PARENT, policy).strength == 0.3


def test_what_was_given_wins_also_where_it_is_nothing() -> None:
    recipe = Wish(
        prompt="ink", strength=0.0, guidance=0.0, seed=0, count=1, negative_prompt=""
    ).over(PARENT)
    assert (recipe.strength, recipe.guidance, recipe.seed, recipe.count) == (0.0, 0.0, 0, 1)
    assert recipe.negative_prompt == ""


def test_a_child_keeps_what_was_not_given_but_its_seed() -> None:
    child = Wish(prompt="a harbour").over(PARENT)
    assert child.change(seed=5) == PARENT
    assert len({Wish(prompt="x").over(PARENT).seed for _ in range(8)}) > 1


def test_limits_are_the_recipes_own() -> None:
    with pytest.raises(RequestError, match="nearest allowed value is 1"):
        Wish(prompt="x", strength=1.5).over(PARENT)


def test_a_reroll_changes_only_the_seed() -> None:
    child = rerolled(PARENT, POLICY)
    assert child.change(seed=PARENT.seed) == PARENT
    assert 0 <= child.seed <= MAX_SEED


def test_strength_moves_by_a_tenth_and_keeps_the_seed() -> None:
    assert stronger(PARENT, POLICY) == PARENT.change(strength=0.6)
    assert weaker(PARENT, POLICY) == PARENT.change(strength=0.4)
    assert stronger(PARENT.change(strength=0.7), POLICY).strength == 0.8  # not 0.7999…


@pytest.mark.parametrize(
    ("strength", "change", "sentence"),
    [
        (0.9, stronger, "Strength is already 0.9, the most allowed here."),
        (0.2, weaker, "Strength is already 0.2, the least allowed here."),
        (0.85, stronger, "From 0.85 a step of 0.1 goes beyond 0.9, the most allowed"),
        (0.25, weaker, "From 0.25 a step of 0.1 goes beyond 0.2, the least allowed"),
    ],
)
def test_a_step_beyond_the_policy_is_refused(strength: float, change, sentence: str) -> None:
    policy = GuildPolicy(guild_id=1, min_strength=0.2, max_strength=0.9)
    with pytest.raises(Refused, match=sentence):
        change(PARENT.change(strength=strength), policy)


def test_a_step_back_into_the_policy_is_allowed() -> None:
    policy = GuildPolicy(guild_id=1, min_strength=0.2, max_strength=0.5)
    assert weaker(PARENT.change(strength=0.55), policy).strength == 0.45


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("", None),
        ("  ", None),
        ("0.6", 0.6),
        ("0,6", 0.6),
        (".25", 0.25),
        ("60%", 0.6),
        ("60 %", 0.6),
        ("Bold", 0.75),
        (" subtle ", 0.35),
        ("1.7", 1.7),  # the recipe says no, with the nearest value
    ],
)
def test_strength_is_read_as_people_type_it(typed: str, value: float | None) -> None:
    assert parse_strength(typed) == value


@pytest.mark.parametrize("typed", ["strong", "nan", "inf", "0.6.1", "½", "x" * 500])
def test_what_is_no_strength_is_said(typed: str) -> None:
    with pytest.raises(UserError, match="neither a number from 0 to 1 nor one of: subtle") as told:
        parse_strength(typed)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(("typed", "value"), [("", None), (" 12 ", 12), ("-3", -3), ("007", 7)])
def test_whole_numbers(typed: str, value: int | None) -> None:
    assert parse_whole("steps", typed) == value


@pytest.mark.parametrize("typed", ["1.5", "many", "1e3", "--2", "²", "9" * 30])
def test_what_is_no_whole_number_is_said(typed: str) -> None:
    with pytest.raises(UserError, match="is not a whole number"):
        parse_whole("steps", typed)
