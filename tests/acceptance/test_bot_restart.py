"""The real bot is stopped with SIGTERM and started again, in every state that a job may be in."""

from typing import Any

import pytest

from bot.sandbox.members import Interaction
from tests.acceptance.stage import (
    PATIENCE,
    Stage,
    gallery,
    is_finished,
    job_id,
    pictures,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

POST = "POST /channels/*/messages"
OFTEN = 1000
SYNC = "PUT /applications/{application_id}/commands"


async def restart(stage: Stage) -> None:
    """Fine weather again, and the next run of the bot."""
    stage.sandbox.weather.clear()
    await stage.bot.start()


async def state(stage: Stage, asked: Interaction, status: str, **values: object) -> dict[str, Any]:
    """The row of the job that an interaction asked for, once it is there."""
    (row,) = stage.bot.rows(f"interaction_id = {asked.id}")
    return await stage.bot.becomes(row["id"], status=status, **values)


def deafen(stage: Stage, row: dict[str, Any]) -> None:
    """The placeholder of a job cannot be edited any more."""
    route = f"PATCH /webhooks/*/{row['interaction_token']}/*"
    stage.sandbox.weather.fail(route, times=OFTEN)


async def test_every_state_at_once(stage: Stage) -> None:
    ada, weather = stage.member("ada"), stage.sandbox.weather
    with stage.bot.frozen():
        done = await stage.ask(prompt="succeeded")
        deafen(stage, await state(stage, done, "running"))
    await state(stage, done, "succeeded", delivery="pending")
    with stage.bot.frozen():
        stopped = await stage.ask(prompt="cancelled")
        row = await state(stage, stopped, "running")
        deafen(stage, row)
        await stage.told(await ada.slash("studio", "cancel", job=row["id"]))
        await state(stage, stopped, "cancelled", delivery="pending")
        *running, queued = await stage.crowd()
        for one in running:
            await state(stage, one, "running")
        await state(stage, queued, "queued")
        weather.stall_attachment()
        received = await stage.ask("iris", prompt="received")
        await state(stage, received, "received")
        await stage.bot.stop()
    for one in (*running, queued):
        row = await state(stage, one, "queued")
        assert (row["attempts"], row["charged"]) == (0, row["cost"])
    await state(stage, received, "received")
    assert weather.expire_token(queued.id) == 1

    await restart(stage)
    for one in (done, *running, received):
        card = await gallery(one)
        await stage.delivered(card, message_id=card.id, attempts=1)
    await stopped.wait_for(lambda post: "Cancelled" in post.text, PATIENCE)
    assert queued.post is not None
    place = queued.post.id
    await stage.sandbox.wait_for(
        lambda post: post.reply_to == place and is_finished(post), PATIENCE
    )
    for one in (done, stopped, *running, queued, received):
        (row,) = stage.bot.rows(f"interaction_id = {one.id}")
        assert len(stage.answers(row["id"])) == 1


async def test_running_in_the_middle_of_its_steps(stage: Stage) -> None:
    async with stage.rules(max_steps=150, max_count=6):
        async with stage.bot.slowed():
            asked = await stage.ask(steps=150, count=6, strength=1.0, seed=5)
            shown = await asked.wait_for(lambda post: "Painting" in post.text, PATIENCE)
        await stage.bot.stop()
        row = stage.row(shown)
        assert (row["status"], row["attempts"]) == ("queued", 0)
        await restart(stage)
        card = await gallery(asked)
        # The same seed: it is the picture that it would have been.
        again = await stage.card(steps=150, strength=1.0, seed=5)
    assert pictures(card)[0].data == pictures(again)[0].data


async def test_succeeded_and_delivered_without_knowing_it(stage: Stage) -> None:
    with stage.bot.frozen():
        asked = await stage.ask()
        waits = await asked.wait_for(lambda post: post.buttons)
        stage.sandbox.weather.expire_token(asked.id)
        stage.sandbox.weather.fail(POST, times=OFTEN, after=True)
        stage.sandbox.weather.fail("GET /channels/*", times=OFTEN)
    posted = await stage.sandbox.wait_for(
        lambda post: post.reply_to == waits.id and is_finished(post), PATIENCE
    )
    await stage.bot.stop()
    assert stage.row(waits)["delivery"] == "pending"
    await restart(stage)
    await stage.delivered(waits, message_id=posted.id)
    assert stage.answers(job_id(waits)) == [stage.sandbox.find(posted.id)]


async def test_every_old_button_and_form_works_afterwards(stage: Stage) -> None:
    ada, jun = stage.member("ada"), stage.member("jun")
    card = await stage.card(strength=0.5)
    edit = await ada.press(card, emoji="✏️")
    await edit.modal()
    await stage.bot.stop()
    await restart(stage)
    edited = await gallery(await ada.submit(edit, {"prompt": "charcoal"}))
    assert stage.row(edited)["recipe"]["prompt"] == "charcoal"
    for emoji, which in (("🎲", "reroll"), ("💪", "weaker"), ("💪", "stronger")):
        pressed = await ada.press(card, emoji=emoji, custom_id=f"palimpsest:{which}")
        await gallery(pressed)
    source = await ada.press(card, emoji="🔁")
    await gallery(await ada.submit(source, {"prompt": "oil"}))
    menu = await jun.menu(card, "Reimagine this")
    await gallery(await jun.submit(menu, {"prompt": "tempera"}))
    await jun.react(card, "🎲")
    await stage.sandbox.wait_for(
        lambda post: post.reply_to == card.id and is_finished(post), PATIENCE
    )
    await ada.press(card, emoji="🗑️")
    await stage.sandbox.until(
        lambda: stage.sandbox.find(card.id) is None, PATIENCE, "the card is deleted"
    )


async def test_a_restart_forgives_nothing_and_changes_no_rule(stage: Stage) -> None:
    async with stage.rules(member_budget=1.0):
        await stage.card("iris", count=2, steps=50)
        await stage.bot.stop()
        await restart(stage)
        text = await stage.told(await stage.ask("iris", count=2, steps=50))
        assert text.startswith("You have used 0.5 of 1.0")
    syncs = [one for one in stage.sandbox.requests if f"{one.method} {one.route}" == SYNC]
    assert len(syncs) == 1
