"""Every button under the real bot's cards, pressed by who may and by who may not."""

import pytest
from PIL import ImageChops

from bot.sandbox.posts import Post
from tests.acceptance.real_bot import until
from tests.acceptance.stage import PATIENCE, Stage, gallery, job_id, pictures, pixels

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def gone(stage: Stage, post: Post) -> None:
    await stage.sandbox.until(
        lambda: stage.sandbox.find(post.id) is None, PATIENCE, f"{post.id} is deleted"
    )


async def test_the_die_makes_another_picture_of_the_same_source(stage: Stage) -> None:
    card = await stage.card(seed=3)
    pressed = await (await stage.member("ada").press(card, emoji="🎲")).ack()
    assert pressed.kind == "deferred"
    again = await gallery(pressed)
    assert again.id != card.id
    assert stage.sandbox.find(card.id) is not None
    parent, child = stage.row(card), stage.row(again)
    assert (child["parent_id"], child["source"]) == (parent["id"], parent["source"])
    assert child["recipe"].pop("seed") != parent["recipe"].pop("seed")
    assert child["recipe"] == parent["recipe"]
    assert pictures(again)[0].data != pictures(card)[0].data
    # And so for ever: the reroll's own die works as well.
    await gallery(await stage.member("ada").press(again, emoji="🎲"))


async def test_strength_goes_down_and_up_with_the_same_seed(stage: Stage) -> None:
    ada = stage.member("ada")
    card = await stage.card(strength=0.85, seed=3, steps=10)
    weaker = await gallery(await ada.press(card, custom_id="palimpsest:weaker", emoji="💪"))
    stronger = await gallery(await ada.press(card, custom_id="palimpsest:stronger", emoji="💪"))
    for post, strength in ((weaker, 0.75), (stronger, 0.95)):
        recipe = stage.row(post)["recipe"]
        assert (recipe["strength"], recipe["seed"]) == (strength, 3)
        assert f"strength {strength:g}" in post.text
    beyond = await ada.press(stronger, custom_id="palimpsest:stronger")
    assert "goes beyond 1, the most allowed here" in await stage.told(beyond)


async def test_the_form_to_edit_is_prefilled(stage: Stage) -> None:
    ada = stage.member("ada")
    card = await stage.card(strength=0.4, steps=6, seed=11, negative_prompt="fog")
    opened = await ada.press(card, emoji="✏️")
    form = await opened.modal()
    assert {one.custom_id: one.value for one in form.fields} == {
        "prompt": "ink wash",
        "negative_prompt": "fog",
        "strength": "0.4",
        "steps": "6",
        "seed": "11",
    }
    assert "empty for a new one" in form.field("seed").description
    sent = await (await ada.submit(opened, {"prompt": "charcoal", "strength": "bold"})).ack()
    recipe = stage.row(await gallery(sent))["recipe"]
    assert (recipe["prompt"], recipe["strength"], recipe["seed"]) == ("charcoal", 0.75, 11)
    assert (recipe["negative_prompt"], recipe["steps"]) == ("fog", 6)


async def test_an_emptied_seed_is_a_new_one(stage: Stage) -> None:
    ada = stage.member("ada")
    card = await stage.card(seed=11)
    opened = await ada.press(card, emoji="✏️")
    other = await gallery(await ada.submit(opened, {"seed": ""}))
    assert stage.row(other)["recipe"]["seed"] != 11
    assert pictures(other)[0].data != pictures(card)[0].data


async def test_what_is_wrong_in_the_form_is_said_privately(stage: Stage) -> None:
    ada = stage.member("ada")
    card = await stage.card()
    for values, sentence in (
        ({"strength": "lots"}, "neither a number from 0 to 1"),
        ({"strength": "1.5"}, "nearest allowed value is 1."),
        ({"steps": "51"}, "nearest allowed value is 50."),
        ({"seed": "x"}, "not a whole number"),
    ):
        opened = await ada.press(card, emoji="✏️")
        assert sentence in await stage.told(await ada.submit(opened, values))


async def test_a_result_is_the_next_source(stage: Stage) -> None:
    ada = stage.member("ada")
    card = await stage.card(count=2)
    opened = await ada.press(card, emoji="🔁")
    form = await opened.modal()
    assert form.field("picture").options == ("0", "1")
    assert form.field("seed").value == ""
    sent = await ada.submit(opened, {"picture": ["1"], "strength": "0", "prompt": "oil"})
    after = await gallery(sent)
    # Strength 0 shows the source itself: the second picture, bit for bit.
    shown, chosen = pixels(pictures(after)[0]), pixels(pictures(card)[1])
    assert ImageChops.difference(shown, chosen).getbbox() is None
    assert stage.row(after)["parent_id"] == job_id(card)


async def test_strangers_may_press_only_where_the_server_says_so(stage: Stage) -> None:
    iris = stage.member("iris")
    card = await stage.card()
    for emoji in ("🎲", "💪", "✏️", "🔁"):
        text = await stage.told(await iris.press(card, emoji=emoji))
        assert text.startswith(f"These buttons are for <@{stage.member('ada').id}>")
    async with stage.rules(open_buttons=True):
        again = await gallery(await iris.press(card, emoji="🎲"))
        assert stage.row(again)["user_id"] == iris.id
        assert "can delete it" in await stage.told(await iris.press(card, emoji="🗑️"))


async def test_delete_is_for_the_owner_and_for_moderators(stage: Stage) -> None:
    mine, another = await stage.card(), await stage.card()
    text = await stage.told(await stage.member("iris").press(mine, emoji="🗑️"))
    assert "can delete it" in text
    assert stage.sandbox.find(mine.id) is not None
    for who, card in (("ada", mine), ("mo", another)):
        pressed = await (await stage.member(who).press(card, emoji="🗑️")).ack()
        await gone(stage, card)
        assert stage.row(card)["deleted_at"] is not None
        assert pressed.followups == []


async def test_what_waits_is_cancelled_at_once(stage: Stage) -> None:
    with stage.bot.frozen():
        *running, waiting = await stage.crowd()
        last = await waiting.wait_for(lambda post: post.buttons)
        text = await stage.told(await stage.member("iris").press(last, emoji="✖️"))
        assert "can cancel it" in text
        await (await stage.member("ada").press(last, emoji="✖️")).ack()
        card = await waiting.wait_for(lambda post: "Cancelled" in post.text)
        assert [one.emoji for one in card.buttons] == ["🎲", "✏️", "🗑️"]
        assert not card.attachments
    for one in running:
        await gallery(one)
    row = await stage.delivered(last, status="cancelled")
    assert (row["attempts"], row["charged"]) == (0, 0)
    await gallery(await stage.member("ada").press(card, emoji="🎲"))


async def test_what_runs_is_cancelled_between_two_steps(stage: Stage) -> None:
    async with stage.rules(max_steps=150, max_count=10), stage.bot.slowed():
        asked = await stage.ask(steps=150, count=10, strength=1.0)
        shown = await asked.wait_for(lambda post: "Painting" in post.text, PATIENCE)
        assert "step" in shown.text
        await (await stage.member("mo").press(shown, emoji="✖️")).ack()
        card = await asked.wait_for(lambda post: "Cancelled" in post.text, PATIENCE)
    assert card.id == shown.id
    # What was painted until then is paid for, the rest is not.
    await stage.delivered(card, status="cancelled")
    assert stage.row(card)["charged"] < stage.row(card)["cost"]
    await until(lambda: stage.row(card)["charged"] > 0, PATIENCE, "the engine stopped")
    # The engine is free again, and nothing else was stopped.
    await stage.card()
    pressed = await stage.member("ada").slash("studio", "cancel", job=job_id(card))
    assert "cancelled already" in await stage.told(pressed)


async def test_a_button_of_a_finished_wait_says_so(stage: Stage) -> None:
    with stage.bot.frozen():
        asked = await stage.ask()
        waits = await asked.wait_for(lambda post: post.buttons)
    await gallery(asked)
    done = await stage.member("ada").slash("studio", "cancel", job=job_id(waits))
    assert "is finished; there is nothing to cancel" in await stage.told(done)
