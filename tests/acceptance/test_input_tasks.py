"""/sketch and /colorize: the recipes they make, and how one goes on from their pictures."""

import pytest
from input_studio import SOURCE, Studio, everything, gallery, here, job_id

from bot.model import Job
from bot.sandbox.posts import Post

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def card_of(here: Studio, command: str, **options: object) -> Post:
    given = {"image": SOURCE} | options
    return await gallery(await here.sandbox.member("ada").slash("studio", command, **given))


async def job_of(here: Studio, card: Post) -> Job:
    return await here.service.get(job_id(card))


async def test_a_sketch_is_painted_and_then_painted_over(here: Studio) -> None:
    recipe = (await job_of(here, await card_of(here, "sketch", prompt="a house"))).recipe
    assert (recipe.task, recipe.strength, recipe.prompt) == ("sketch", 0.6, "a house")
    recipe = (await job_of(here, await card_of(here, "sketch", prompt="x", strength=0.5))).recipe
    assert recipe.strength == 0.5


async def test_colour_comes_from_the_model_made_for_it_and_needs_no_prompt(here: Studio) -> None:
    recipe = (await job_of(here, await card_of(here, "colorize"))).recipe
    assert (recipe.task, recipe.model, recipe.prompt) == ("colorize", "pix2pix-color", "")
    named = await card_of(here, "colorize", prompt="a red barn", model="pocket")
    recipe = (await job_of(here, named)).recipe
    assert (recipe.task, recipe.model, recipe.prompt) == ("colorize", "pocket", "a red barn")


async def test_a_drawing_without_words_goes_to_the_model_made_for_it(here: Studio) -> None:
    recipe = (await job_of(here, await card_of(here, "sketch"))).recipe
    assert (recipe.task, recipe.model, recipe.steps) == ("sketch", "pix2pix-sketch", 1)


@pytest.mark.parametrize(
    "option",
    [{"strength": 0.5}, {"steps": 8}, {"count": 2}, {"negative_prompt": "fog"}, {"preset": "ink"}],
    ids=str,
)
async def test_a_drawing_with_anything_that_steers_goes_to_the_usual_model(
    here: Studio, option: dict[str, object]
) -> None:
    recipe = (await job_of(here, await card_of(here, "sketch", **option))).recipe
    assert (recipe.task, recipe.model, recipe.steps > 1) == ("sketch", "pocket", True)


@pytest.mark.parametrize("command", ["sketch", "colorize"])
async def test_words_for_what_reads_none_are_for_the_usual_model(
    here: Studio, command: str
) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, command)
    opened = await ada.press(card, emoji="✏️")
    again = await job_of(here, await gallery(await ada.submit(opened, {"prompt": "a red barn"})))
    recipe, parent = again.recipe, (await job_of(here, card)).recipe
    assert (recipe.task, recipe.model, recipe.prompt) == (command, "pocket", "a red barn")
    assert (recipe.steps, parent.steps) == (20, 1)
    opened = await ada.press(card, emoji="✏️")
    same = await job_of(here, await gallery(await ada.submit(opened, {"seed": "7"})))
    assert (same.recipe.model, same.recipe.seed) == (parent.model, 7)


async def test_a_reroll_is_the_same_task(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, "sketch", prompt="a house")
    again = await job_of(here, await gallery(await ada.press(card, emoji="🎲")))
    assert (again.recipe.task, again.source) == ("sketch", (await job_of(here, card)).source)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("sketch", {"prompt": "a house"}),
        ("sketch", {}),
        ("colorize", {}),
        ("colorize", {"model": "pocket"}),
    ],
)
async def test_one_goes_on_from_a_picture_by_image_to_image(
    here: Studio, command: str, options: dict[str, str]
) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, command, **options)
    opened = await ada.press(card, emoji="🔁")
    sent = await ada.submit(opened, {"prompt": "in oil", "strength": "0.5"})
    child, parent = await job_of(here, await gallery(sent)), await job_of(here, card)
    assert child.source == parent.results[0]
    recipe = child.recipe
    assert (recipe.task, recipe.model, recipe.strength) == ("img2img", "pocket", 0.5)
    assert recipe.steps == 20
