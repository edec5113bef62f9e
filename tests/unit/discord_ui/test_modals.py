import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from job_rows import job as make_job

from bot.discord_ui.modals import (
    Form,
    edit_modal,
    paint_modal,
    picture_modal,
    result_modal,
    source_modal,
    submission_of,
)
from bot.errors import Gone, UserError
from bot.model import GuildPolicy
from inference.options import Outpaint
from inference.request import MAX_PROMPT, MAX_SEED, Recipe

RECIPE = Recipe(
    prompt="p" * MAX_PROMPT,
    negative_prompt="n" * MAX_PROMPT,
    strength=0.35,
    steps=150,
    seed=MAX_SEED,
)
POLICY = GuildPolicy(guild_id=1, default_strength=0.4, max_strength=0.8)
JOB = dataclasses.replace(make_job(77, 7, ""), recipe=RECIPE, source="s", results=("a", "b", "c"))


def fields(modal: Any) -> dict[str, dict[str, Any]]:
    payload = modal.to_dict()
    assert len(payload["title"]) <= 45
    assert len(payload["custom_id"]) <= 100
    assert 1 <= len(payload["components"]) <= 5
    for label in payload["components"]:
        assert label["type"] == 18
        assert len(label["label"]) <= 45
        assert len(label.get("description", "")) <= 100
        component = label["component"]
        assert len(component.get("value", "")) <= component.get("max_length", 4000)
    return {label["component"]["custom_id"]: label["component"] for label in payload["components"]}


def sent(custom_id: str, **values: str | list[str]) -> Any:
    components = [
        {
            "type": 18,
            "component": {
                "custom_id": name,
                "type": 3 if isinstance(value, list) else 4,
                ("values" if isinstance(value, list) else "value"): value,
            },
        }
        for name, value in values.items()
    ]
    return SimpleNamespace(data={"custom_id": custom_id, "components": components})


async def test_the_edit_form_is_prefilled_with_the_longest_recipe() -> None:
    modal = edit_modal(JOB)
    assert {name: field.get("value") for name, field in fields(modal).items()} == {
        "prompt": RECIPE.prompt,
        "negative_prompt": RECIPE.negative_prompt,
        "strength": "0.35",
        "steps": "150",
        "seed": str(MAX_SEED),
    }
    labels = {label["label"]: label.get("description") for label in modal.to_dict()["components"]}
    assert labels["Seed"] == "Leave empty for a new one"


async def test_forms_are_not_kept_in_memory() -> None:
    forms = [edit_modal(JOB), source_modal(JOB, POLICY), result_modal(JOB, POLICY)]
    forms.append(paint_modal(JOB, GuildPolicy(guild_id=1)))
    forms.append(picture_modal(5, ["a.png"], GuildPolicy(guild_id=1)))
    assert all(form.is_finished() for form in forms)


async def test_the_source_form_offers_every_result_and_has_chosen_the_first() -> None:
    options = fields(source_modal(JOB, POLICY))["picture"]["options"]
    assert [option["label"] for option in options] == ["Picture 1", "Picture 2", "Picture 3"]
    assert [bool(option.get("default")) for option in options] == [True, False, False]


@pytest.mark.parametrize(("task", "asked"), [("img2img", False), ("inpaint", True)])
async def test_from_an_editors_picture_a_strength_is_asked_only_where_another_goes_on(
    task: str, asked: bool
) -> None:
    recipe = Recipe(prompt="make it night", task=task, strength=1.0, graded=False)
    told = dataclasses.replace(JOB, recipe=recipe)
    assert ("strength" in fields(source_modal(told, POLICY))) == asked
    assert "strength" not in fields(edit_modal(told))


@pytest.mark.parametrize(
    ("recipe", "source", "strength"),
    [
        (RECIPE, "s", "0.35"),
        (RECIPE.change(strength=0.95), "s", "0.8"),  # the guild allowed more then
        (RECIPE.change(strengths=(0.2, 1.0)), "s", "0.4"),
        (RECIPE.change(strength=1.0), None, "0.4"),  # from the prompt alone
        (RECIPE.change(task="outpaint", options=Outpaint(left=1), strength=0.95), "s", "0.4"),
        (RECIPE.change(task="inpaint", strength=0.7), "s", "0.4"),
        (RECIPE.change(task="denoise"), "s", "0.4"),
        (RECIPE.change(task="sketch", model="pix2pix-sketch"), "s", "0.4"),
    ],
)
async def test_the_next_source_is_painted_over_as_far_as_the_last_one_or_as_usual(
    recipe: Recipe, source: str | None, strength: str
) -> None:
    job = dataclasses.replace(JOB, recipe=recipe, source=source)
    for make in (source_modal, result_modal):
        assert fields(make(job, POLICY))["strength"]["value"] == strength


async def test_one_result_leaves_no_choice() -> None:
    single = dataclasses.replace(JOB, results=("a",))
    assert "picture" not in fields(source_modal(single, POLICY))
    assert "picture" not in fields(result_modal(single, POLICY))


async def test_no_results_no_form() -> None:
    with pytest.raises(Gone):
        source_modal(dataclasses.replace(JOB, results=()), POLICY)


async def test_the_picture_form_starts_from_the_guilds_default() -> None:
    names = [f"{'long' * 40}{number}.png" for number in range(30)]
    form = fields(picture_modal(9, names, GuildPolicy(guild_id=1, default_strength=0.4)))
    assert form["strength"]["value"] == "0.4"
    assert not form["prompt"].get("value")
    assert len(form["picture"]["options"]) == 25
    assert all(len(option["label"]) <= 100 for option in form["picture"]["options"])


@pytest.mark.parametrize(
    ("make", "form", "subject"),
    [
        (lambda: edit_modal(JOB), Form.EDIT, 77),
        (lambda: source_modal(JOB, POLICY), Form.SOURCE, 77),
        (lambda: result_modal(JOB, POLICY), Form.RESULT, 77),
        (lambda: picture_modal(10**18, ["a"], GuildPolicy(guild_id=1)), Form.PICTURE, 10**18),
    ],
)
async def test_what_is_sent_is_read_from_the_interaction_alone(make, form, subject) -> None:
    submission = submission_of(
        sent(
            make().custom_id,
            prompt="ink",
            strength="bold",
            negative_prompt="",
            steps="",
            seed="12",
            picture=["2"],
        )
    )
    assert submission is not None
    assert (submission.form, submission.id, submission.picture) == (form, subject, 2)
    wish = submission.wish
    assert (wish.prompt, wish.strength, wish.seed, wish.steps) == ("ink", 0.75, 12, None)
    assert wish.negative_prompt == ""


def test_an_empty_seed_is_a_new_one_and_a_missing_choice_the_first() -> None:
    submission = submission_of(sent("palimpsest:edit:3", prompt="ink", seed=""))
    assert submission is not None
    assert submission.wish.seed is None
    assert submission.wish.negative_prompt is None
    assert submission.picture == 0


def test_what_cannot_be_read_is_said() -> None:
    submission = submission_of(sent("palimpsest:edit:3", prompt="ink", seed="lucky"))
    assert submission is not None
    with pytest.raises(UserError, match="Seed “lucky” is not a whole number"):
        _ = submission.wish


@pytest.mark.parametrize("custom_id", ["", "palimpsest:delete:3", "palimpsest:edit:x", "other:1"])
def test_foreign_forms_are_left_alone(custom_id: str) -> None:
    assert submission_of(sent(custom_id, prompt="ink")) is None


async def test_the_paint_form_asks_for_a_file_and_a_strength_that_is_allowed() -> None:
    form = fields(paint_modal(JOB, GuildPolicy(guild_id=1)))
    assert list(form) == ["picture", "painted", "prompt", "strength", "negative_prompt"]
    assert (form["painted"]["type"], form["painted"]["max_values"]) == (19, 1)
    assert form["painted"].get("required", True)
    assert form["strength"]["value"] == "0.9"
    weak = fields(paint_modal(JOB, GuildPolicy(guild_id=1, max_strength=0.5)))
    assert weak["strength"]["value"] == "0.5"
    with pytest.raises(Gone):
        paint_modal(dataclasses.replace(JOB, results=()), GuildPolicy(guild_id=1))


async def test_a_sent_file_is_known_by_its_address() -> None:
    interaction = sent("palimpsest:paint:77", painted=["5"], prompt="x")
    interaction.data["resolved"] = {"attachments": {"5": {"id": "5", "url": "https://cdn/x.png"}}}
    submission = submission_of(interaction)
    assert submission is not None
    assert (submission.form, submission.painted) == (Form.PAINT, "https://cdn/x.png")
    assert submission_of(sent("palimpsest:edit:77", prompt="x")).painted is None  # type: ignore[union-attr]
