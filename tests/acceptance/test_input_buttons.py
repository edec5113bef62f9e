"""The buttons under a card and the forms that they open."""

import pytest
from input_studio import (
    Studio,
    ask,
    card_of,
    everything,
    gallery,
    here,
    job_id,
    set_policy,
    told,
)

from bot.model import OriginKind

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_die_rerolls_in_a_new_message_with_a_new_seed(here: Studio) -> None:
    card = await card_of(here, seed=3)
    again = await gallery(await here.sandbox.member("ada").press(card, emoji="🎲"))
    assert again.id != card.id
    parent, child = await here.service.get(job_id(card)), await here.service.get(job_id(again))
    assert (child.parent_id, child.source) == (parent.id, parent.source)
    assert child.recipe.seed != 3
    assert child.recipe.change(seed=3) == parent.recipe
    assert here.sandbox.find(card.id) is not None


async def test_strength_goes_up_and_down_and_not_beyond(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, strength=0.85, seed=3)
    up = await gallery(await ada.press(card, custom_id="palimpsest:stronger"))
    down = await gallery(await ada.press(card, custom_id="palimpsest:weaker"))
    for post, strength in ((up, 0.95), (down, 0.75)):
        recipe = (await here.service.get(job_id(post))).recipe
        assert (recipe.strength, recipe.seed) == (strength, 3)
    refused = await ada.press(up, custom_id="palimpsest:stronger")
    assert "goes beyond 1, the most allowed here" in await told(here, refused)


async def test_buttons_are_the_owners_unless_the_guild_opens_them(here: Studio) -> None:
    iris = here.sandbox.member("iris")
    card = await card_of(here)
    for emoji in ("🎲", "💪", "✏️", "🔁"):
        text = await told(here, await iris.press(card, emoji=emoji))
        assert "who asked for the picture" in text
    await set_policy(here, open_buttons=True)
    again = await gallery(await iris.press(card, emoji="🎲"))
    job = await here.service.get(job_id(again))
    assert job.origin.user_id == iris.id


async def test_edit_is_prefilled_and_an_emptied_seed_is_a_new_one(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, strength=0.4, steps=6, seed=11, negative_prompt="fog")
    opened = await ada.press(card, emoji="✏️")
    form = await opened.modal()
    assert {one.custom_id: one.value for one in form.fields} == {
        "prompt": "ink wash",
        "negative_prompt": "fog",
        "strength": "0.4",
        "steps": "6",
        "seed": "11",
    }
    same = await gallery(await ada.submit(opened, {"prompt": "charcoal", "strength": "bold"}))
    job = await here.service.get(job_id(same))
    assert (job.recipe.prompt, job.recipe.strength, job.recipe.seed) == ("charcoal", 0.75, 11)
    assert (job.origin.kind, job.parent_id) == (OriginKind.MODAL, job_id(card))
    opened = await ada.press(card, emoji="✏️")
    other = await gallery(await ada.submit(opened, {"seed": ""}))
    assert (await here.service.get(job_id(other))).recipe.seed != 11


async def test_what_is_wrong_in_a_form_is_said(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here)
    for values, sentence in (
        ({"strength": "lots"}, "neither a number from 0 to 1"),
        ({"strength": "1.5"}, "nearest allowed value is 1"),
        ({"steps": "0"}, "nearest allowed value is 1"),
        ({"seed": "x"}, "not a whole number"),
    ):
        opened = await ada.press(card, emoji="✏️")
        text = await told(here, await ada.submit(opened, {"prompt": "*a long one*"} | values))
        assert sentence in text
        assert text.endswith(r"You had typed: \*a long one\*")


async def test_a_result_becomes_the_next_source(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, count=2)
    opened = await ada.press(card, emoji="🔁")
    assert (await opened.modal()).field("picture").options == ("0", "1")
    sent = await ada.submit(opened, {"picture": ["1"], "prompt": "oil", "strength": "0.2"})
    next_card = await gallery(sent)
    parent = await here.service.get(job_id(card))
    child = await here.service.get(job_id(next_card))
    assert child.source == parent.results[1]
    assert (child.recipe.prompt, child.recipe.strength) == ("oil", 0.2)


async def test_delete_is_for_the_owner_and_moderators(here: Studio) -> None:
    first, second = await card_of(here), await card_of(here)
    refused = await here.sandbox.member("iris").press(first, emoji="🗑️")
    assert "can delete it" in await told(here, refused)
    assert here.sandbox.find(first.id) is not None
    for who, card in (("ada", first), ("mo", second)):
        await here.sandbox.member(who).press(card, emoji="🗑️")
        await here.sandbox.until(lambda card=card: here.sandbox.find(card.id) is None, 5, "gone")
        assert (await here.service.get(job_id(card))).results == ()


async def test_cancel_while_it_waits_and_while_it_runs(here: Studio) -> None:
    here.painter.pause()
    asked = [await ask(here, prompt=f"job {number}") for number in range(3)]
    cards = [await one.wait_for(lambda post: post.buttons) for one in asked]
    stranger = await here.sandbox.member("iris").press(cards[0], emoji="✖️")
    assert "can cancel it" in await told(here, stranger)
    await here.sandbox.member("ada").press(cards[0], emoji="✖️")
    await here.sandbox.member("mo").press(cards[2], emoji="✖️")
    for number in (0, 2):
        await asked[number].wait_for(lambda post: "Cancelled" in post.text)
    here.painter.resume()
    await gallery(asked[1])
