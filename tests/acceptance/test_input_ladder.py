"""/ladder and 🪜: one seed at several strengths."""

import io

import pytest
from input_studio import SOURCE, Studio, card_of, everything, gallery, here, set_policy, told
from PIL import Image

from bot.model import Job
from bot.sandbox.posts import Post
from inference.request import LADDER

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def job_of(here: Studio, card: Post) -> Job:
    return await here.service.get(int(card.buttons[0].custom_id.split(":")[2]))


async def ladder(here: Studio, **options: object) -> Post:
    given = {"image": SOURCE, "prompt": "ink wash"} | options
    return await gallery(await here.sandbox.member("ada").slash("studio", "ladder", **given))


async def test_a_ladder_is_one_labelled_sheet_with_a_button_for_each_picture(here: Studio) -> None:
    card = await ladder(here, seed=9)
    job = await job_of(here, card)
    assert (job.recipe.strengths, job.recipe.seed) == (LADDER, 9)
    assert len(job.results) == len(LADDER)
    assert len(card.gallery) == 1
    sheet = Image.open(io.BytesIO(card.attachments[0].data))
    assert sheet.width > 2.9 * 64
    labels = [button.label for button in card.buttons if ":rung:" in button.custom_id]
    assert labels == [f"{strength:g}" for strength in LADDER]
    assert "strengths 0.2 to 1" in card.text
    others = [b.custom_id.split(":")[1] for b in card.buttons if ":rung:" not in b.custom_id]
    assert others == ["reroll", "edit", "source", "paint", "delete"]


async def test_a_rung_gives_that_picture_by_itself(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await ladder(here, seed=9)
    alone = await job_of(here, await gallery(await ada.press(card, label="0.65")))
    parent = await job_of(here, card)
    assert alone.recipe == parent.recipe.single(3)
    assert (alone.recipe.strengths, alone.recipe.strength, alone.recipe.seed) == ((), 0.65, 9)
    assert (alone.source, alone.parent_id) == (parent.source, parent.id)


async def test_the_button_makes_a_ladder_of_any_result(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, seed=5, count=2)
    job = await job_of(here, await gallery(await ada.press(card, emoji="🪜")))
    assert (job.recipe.strengths, job.recipe.seed, job.recipe.prompt) == (LADDER, 5, "ink wash")


async def test_a_ladder_keeps_to_what_the_server_allows(here: Studio) -> None:
    await set_policy(here, min_strength=0.3, max_strength=0.7, default_strength=0.5)
    assert (await job_of(here, await ladder(here))).recipe.strengths == (0.35, 0.5, 0.65)
    await set_policy(here, min_strength=0.55, max_strength=0.6, default_strength=0.6)
    asked = await here.sandbox.member("ada").slash("studio", "ladder", image=SOURCE, prompt="x")
    assert "a ladder has no step there" in await told(here, asked)


async def test_reroll_and_edit_make_another_ladder(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await ladder(here, seed=9)
    again = await job_of(here, await gallery(await ada.press(card, emoji="🎲")))
    assert again.recipe.strengths == LADDER
    assert again.recipe.seed != 9
    opened = await ada.press(card, emoji="✏️")
    assert "strength" not in [field.custom_id for field in (await opened.modal()).fields]
    edited = await job_of(here, await gallery(await ada.submit(opened, {"prompt": "chalk"})))
    assert (edited.recipe.prompt, edited.recipe.strengths) == ("chalk", LADDER)


async def test_what_goes_on_from_a_picture_of_it_is_no_ladder(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await ladder(here)
    opened = await ada.press(card, emoji="🔁")
    sent = await ada.submit(opened, {"picture": ["1"], "strength": "0.5"})
    child, parent = await job_of(here, await gallery(sent)), await job_of(here, card)
    assert (child.recipe.strengths, child.recipe.strength) == ((), 0.5)
    assert child.source == parent.results[1]
