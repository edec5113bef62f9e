"""The message menu and the die as a reaction, with the real bot."""

import pytest

from tests.acceptance.real_bot import until
from tests.acceptance.stage import (
    PATIENCE,
    SOURCE,
    Stage,
    gallery,
    is_finished,
    job_id,
    photograph,
    pictures,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MENU = "Reimagine this"


async def test_any_message_with_a_picture_is_reimagined(stage: Stage) -> None:
    iris, jun = stage.member("iris"), stage.member("jun")
    upright = ("upright.png", photograph(60, 120))
    posted = await iris.send("studio", "look", files=[SOURCE, upright])
    opened = await jun.menu(posted, MENU)
    form = await opened.modal()
    assert [one.custom_id for one in form.fields] == [
        "picture",
        "prompt",
        "strength",
        "negative_prompt",
        "seed",
    ]
    assert [one.value for one in form.fields[1:]] == ["", "0.6", "", ""]
    sent = await (await jun.submit(opened, {"picture": ["1"], "prompt": "oil"})).ack()
    card = await gallery(sent)
    row = await stage.delivered(card, status="succeeded")
    assert (row["kind"], row["user_id"], row["recipe"]["prompt"]) == ("menu", jun.id, "oil")
    assert row["width"] < row["height"]


async def test_a_message_without_a_picture_is_not(stage: Stage) -> None:
    jun = stage.member("jun")
    posted = await jun.send("studio", "words", files=[("notes.txt", b"no picture")])
    assert "no picture" in await stage.told(await jun.menu(posted, MENU))


async def test_a_card_is_reimagined_by_anybody(stage: Stage) -> None:
    iris = stage.member("iris")
    card = await stage.card(count=2)
    opened = await iris.menu(card, MENU)
    assert (await opened.modal()).field("prompt").value == "ink wash"
    child = stage.row(await gallery(await iris.submit(opened, {"picture": ["1"]})))
    assert (child["parent_id"], child["user_id"]) == (job_id(card), iris.id)
    assert child["source"] != stage.row(card)["source"]


async def test_a_message_deleted_meanwhile_is_told(stage: Stage) -> None:
    iris, jun = stage.member("iris"), stage.member("jun")
    posted = await iris.send("studio", "look", files=[SOURCE])
    opened = await jun.menu(posted, MENU)
    await opened.modal()
    stage.sandbox.weather.expire_attachments()
    text = await stage.told(await jun.submit(opened, {"prompt": "oil"}))
    assert text == "The attachment has expired; post it again."


async def test_a_die_rerolls_for_whoever_reacts(stage: Stage) -> None:
    jun = stage.member("jun")
    card = await stage.card()
    await jun.react(card, "🎲")
    reply = await stage.sandbox.wait_for(
        lambda post: post.reply_to == card.id and is_finished(post), PATIENCE, channel="studio"
    )
    row = await stage.delivered(reply, status="succeeded")
    assert (row["kind"], row["user_id"], row["parent_id"]) == ("reaction", jun.id, job_id(card))
    assert pictures(reply)[0].data != pictures(card)[0].data
    assert f"<@{jun.id}>" in reply.text
    # The picture is theirs now, and so are its buttons.
    await gallery(await jun.press(reply, emoji="🎲"))


async def test_a_die_is_thrown_within_the_own_limits(stage: Stage) -> None:
    jun = stage.member("jun")
    card, other = await stage.card(), await stage.card()
    async with stage.rules(member_queue=1):
        with stage.bot.frozen():
            busy = await stage.ask("jun")
            waits = await busy.wait_for(lambda post: post.buttons)
            await jun.react(card, "🎲")
            notice = await stage.sandbox.wait_for(
                lambda post: post.reply_to == card.id and "1 are allowed" in post.text, PATIENCE
            )
            assert notice.text.startswith(f"<@{jun.id}> You have 1 job")
            # While that stands, further dice are ignored; somebody else's are not.
            await jun.react(other, "🎲")
            await stage.member("iris").react(other, "🎲")
            await stage.sandbox.wait_for(
                lambda post: post.reply_to == other.id and post.buttons, PATIENCE
            )
        await gallery(busy)
        await stage.delivered(waits, status="succeeded")
        await stage.sandbox.wait_for(
            lambda post: post.reply_to == other.id and is_finished(post), PATIENCE
        )
    assert len([one for one in stage.sandbox.posts() if one.reply_to == other.id]) == 1
    assert stage.bot.rows(f"parent_id = {job_id(card)}") == []


async def test_a_die_elsewhere_is_nothing(stage: Stage) -> None:
    mo = stage.member("mo")
    words = await mo.send("studio", "roll this")
    card = await stage.card()
    before = len(stage.bot.rows())
    await mo.react(words, "🎲")
    await mo.react(card, "❤️")
    await stage.card()  # it came after both, and so they are done with
    assert len(stage.bot.rows()) == before + 1


async def test_a_die_where_the_bot_may_not_post_leaves_nothing_behind(stage: Stage) -> None:
    card = await stage.card(channel="read-only")
    await stage.member("iris").react(card, "🎲")
    (row,) = await until(
        lambda: stage.bot.rows(f"parent_id = {job_id(card)} AND delivery = 'abandoned'"),
        PATIENCE,
        "the reroll is given up",
    )
    assert row["status"] == "failed"
    assert [one.id for one in stage.sandbox.posts("read-only")] == [card.id]


async def test_a_boosted_server_takes_larger_files(stage: Stage) -> None:
    card = await stage.card("jun", channel="atrium")
    await stage.member("mo", "salon").react(card, "🎲")
    again = await stage.sandbox.wait_for(
        lambda post: post.reply_to == card.id and is_finished(post), PATIENCE, channel="atrium"
    )
    assert {stage.row(post)["upload_limit"] for post in (card, again)} == {50 * 2**20}
