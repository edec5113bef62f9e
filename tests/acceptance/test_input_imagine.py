"""/imagine: a picture from a prompt alone, and what can be done with it."""

import pytest
from input_studio import Studio, everything, gallery, here, job_id, set_policy, told

from bot.discord_ui.options import SHAPES
from bot.sandbox.posts import Post

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def imagined(here: Studio, **options: object) -> Post:
    given = {"prompt": "a lighthouse"} | options
    return await gallery(await here.sandbox.member("ada").slash("studio", "imagine", **given))


async def test_a_prompt_alone_gives_a_square_picture(here: Studio) -> None:
    card = await imagined(here, seed=4)
    job = await here.service.get(job_id(card))
    assert job.imagined
    assert (job.recipe.strength, job.recipe.seed, job.source) == (1, 4, None)
    assert job.width == job.height
    assert here.painter.requests[job.id].image is None
    assert "strength" not in card.text
    assert len(card.gallery) == 1


@pytest.mark.parametrize("name", SHAPES)
async def test_a_shape_keeps_to_the_models_size(here: Studio, name: str) -> None:
    job = await here.service.get(job_id(await imagined(here, size=name)))
    wide, high = SHAPES[name]
    assert job.width is not None
    assert job.height is not None
    assert job.width % 8 == job.height % 8 == 0
    assert job.width / job.height == pytest.approx(wide / high, rel=0.05)
    assert job.width * job.height == pytest.approx(256 * 256, rel=0.06)


async def test_only_buttons_that_mean_something(here: Studio) -> None:
    card = await imagined(here)
    actions = [button.custom_id.split(":")[1] for button in card.buttons]
    assert actions == ["reroll", "edit", "source", "paint", "upscale", "variations", "delete"]


async def test_reroll_and_edit_need_no_source(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await imagined(here, seed=1)
    parent = await here.service.get(job_id(card))
    rerolled = await here.service.get(job_id(await gallery(await ada.press(card, emoji="🎲"))))
    assert rerolled.recipe == parent.recipe.change(seed=rerolled.recipe.seed)
    opened = await ada.press(card, emoji="✏️")
    assert "strength" not in [field.custom_id for field in (await opened.modal()).fields]
    sent = await ada.submit(opened, {"prompt": "a mill"})
    edited = await here.service.get(job_id(await gallery(sent)))
    assert (edited.recipe.prompt, edited.recipe.strength, edited.source) == ("a mill", 1, None)
    assert edited.recipe.width == parent.recipe.width


async def test_the_result_can_be_the_next_source(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await imagined(here)
    opened = await ada.press(card, emoji="🔁")
    child = await gallery(await ada.submit(opened))
    job, parent = await here.service.get(job_id(child)), await here.service.get(job_id(card))
    # At the prompt's own strength, 1, the picture would have no part in the next one.
    assert (job.source, job.recipe.strength) == (parent.results[0], 0.6)


async def test_a_server_that_keeps_some_of_every_source_has_no_imagining(here: Studio) -> None:
    await set_policy(here, max_strength=0.8)
    asked = await here.sandbox.member("ada").slash("studio", "imagine", prompt="a mill")
    assert "at most strength 0.8 is allowed" in await told(here, asked)
