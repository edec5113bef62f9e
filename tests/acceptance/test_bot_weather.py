"""What may go wrong between the real bot and Discord: nothing is lost, nothing is told twice."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.sandbox import wire
from bot.sandbox.members import Interaction
from bot.sandbox.posts import Post
from tests.acceptance.stage import (
    PATIENCE,
    Stage,
    gallery,
    is_finished,
    job_id,
    photograph,
    pictures,
    pixels,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMPLAINTS = (
    r"ERROR +bot.discord_ui.courier +Job \d+ can be told to nobody",  # channels are deleted here
)
EDIT = "PATCH /webhooks/*"
POST = "POST /channels/*/messages"


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def fine(stage: Stage) -> AsyncIterator[None]:
    """Fine weather before and after."""
    stage.sandbox.weather.clear()
    yield
    stage.sandbox.weather.clear()


async def started(stage: Stage, **options: object) -> tuple[Interaction, Post]:
    """A job that runs, while the engine is frozen, and its placeholder."""
    asked = await stage.ask(**options)  # type: ignore[arg-type]
    return asked, await asked.wait_for(lambda post: "Starting" in post.text, PATIENCE)


async def reply_to(stage: Stage, placeholder: Post) -> Post:
    """The finished card that was posted in reply to a placeholder."""
    return await stage.sandbox.wait_for(
        lambda post: post.reply_to == placeholder.id and is_finished(post), PATIENCE
    )


async def test_after_the_token_died_the_channel_is_answered(stage: Stage) -> None:
    with stage.bot.frozen():
        asked, placeholder = await started(stage)
        assert stage.sandbox.weather.expire_token(asked.id) == 1
    card = await reply_to(stage, placeholder)
    assert pictures(card)
    row = await stage.delivered(card, status="succeeded")
    assert row["message_id"] == card.id
    await stage.sandbox.wait_for(
        lambda post: post.id == placeholder.id and str(card.id) in post.text, PATIENCE
    )
    assert stage.answers(row["id"]) == [stage.sandbox.find(card.id)]
    await gallery(await stage.member("ada").press(card, emoji="🎲"))


async def test_a_deleted_placeholder_is_answered_by_a_post(stage: Stage) -> None:
    with stage.bot.frozen():
        _asked, placeholder = await started(stage)
        await stage.member("mo").delete(placeholder)
    card = await stage.sandbox.wait_for(
        lambda post: is_finished(post) and job_id(post) == job_id(placeholder), PATIENCE
    )
    assert card.id != placeholder.id
    await stage.delivered(card, message_id=card.id)


async def test_a_refused_edit_is_answered_by_a_post(stage: Stage) -> None:
    with stage.bot.frozen():
        _asked, placeholder = await started(stage)
        stage.sandbox.weather.refuse_edit(EDIT, times=50)
    await stage.delivered(await reply_to(stage, placeholder), status="succeeded")


async def test_a_deleted_channel_ends_the_matter(stage: Stage) -> None:
    with stage.bot.frozen():
        _asked, placeholder = await started(stage, channel="gallery")
        stage.sandbox.weather.delete_channel(placeholder.channel_id)
    await stage.bot.becomes(job_id(placeholder), status="succeeded", delivery="abandoned")
    await stage.card()


@pytest.mark.parametrize(("status", "times"), [(500, 2), (503, 1)])
async def test_errors_of_discord_pass(stage: Stage, status: int, times: int) -> None:
    with stage.bot.frozen():
        asked, _placeholder = await started(stage)
        stage.sandbox.weather.fail(EDIT, status=status, times=times)
    card = await gallery(asked)
    await stage.delivered(card, status="succeeded")
    assert stage.answers(job_id(card)) == [stage.sandbox.find(card.id)]


async def test_a_lost_answer_does_not_make_a_second_message(stage: Stage) -> None:
    with stage.bot.frozen():
        asked, placeholder = await started(stage)
        stage.sandbox.weather.expire_token(asked.id)
        stage.sandbox.weather.fail(POST, status=503, times=2, after=True)
    card = await reply_to(stage, placeholder)
    row = await stage.delivered(card, status="succeeded")
    assert (row["message_id"], len(stage.answers(row["id"]))) == (card.id, 1)


async def test_a_lost_acknowledgement_is_looked_up(stage: Stage) -> None:
    stage.sandbox.weather.fail("POST /interactions/*", status=500, after=True)
    await stage.card()


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_storm_of_429_passes(stage: Stage, everywhere: bool) -> None:
    with stage.bot.frozen():
        asked, _placeholder = await started(stage)
        before = len(stage.sandbox.requests)
        stage.sandbox.weather.storm(EDIT, retry_after=0.3, times=4, everywhere=everywhere)
    await stage.delivered(await gallery(asked), status="succeeded")
    assert sum(one.status == 429 for one in stage.sandbox.requests[before:]) == 4


async def test_a_burst_keeps_to_the_rate_limits(stage: Stage) -> None:
    async with stage.rules(member_queue=20):
        before = len(stage.sandbox.requests)
        asked = [await stage.ask("iris", steps=1) for _ in range(12)]
        cards = [await gallery(one) for one in asked]
    assert len({job_id(card) for card in cards}) == 12
    refused = [one for one in stage.sandbox.requests[before:] if one.status == 429]
    assert len(refused) <= 2, [one.route for one in refused]


async def test_a_dropped_gateway_is_resumed(stage: Stage) -> None:
    gateway, weather = stage.sandbox.gateway, stage.sandbox.weather
    resumed, identified = gateway.resumed, gateway.identified
    assert await weather.drop_gateway() == 1
    ada = stage.member("ada")
    await gallery(await ada.slash("studio", "reimagine", image=_file(), prompt="while away"))
    assert (gateway.resumed, gateway.identified) == (resumed + 1, identified)


async def test_a_refused_resume_is_a_new_session(stage: Stage) -> None:
    gateway, weather = stage.sandbox.gateway, stage.sandbox.weather
    card = await stage.card()
    identified = gateway.identified
    with stage.bot.frozen():
        asked, _placeholder = await started(stage)
        weather.refuse_resume()
        await weather.drop_gateway(4000)
        await stage.sandbox.until(
            lambda: gateway.identified == identified + 1, PATIENCE, "identified anew"
        )
    await gallery(asked)
    await gallery(await stage.member("ada").press(card, emoji="🎲"))


async def test_an_attachment_that_stalls_is_told(stage: Stage) -> None:
    stage.sandbox.weather.stall_attachment()
    stalled = await stage.ask()
    # It holds up nobody.
    await stage.card("iris")
    text = await stage.told(stalled)
    assert "stopped arriving" in text
    (row,) = stage.bot.rows(f"interaction_id = {stalled.id}")
    assert row["status"] == "failed"


async def test_an_attachment_that_goes_on_in_time_is_taken(stage: Stage) -> None:
    stage.sandbox.weather.stall_attachment()
    asked = await stage.ask()
    (row,) = stage.bot.rows(f"interaction_id = {asked.id}")
    assert row["status"] == "received"
    stage.sandbox.weather.clear()
    await gallery(asked)


async def test_a_small_upload_limit_is_kept_and_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pictures(await stage.card(seed=5))[0].size
    monkeypatch.setitem(wire.UPLOAD_LIMITS, 0, whole - 500)
    card = await stage.card(seed=5)
    (picture,) = pictures(card)
    assert picture.size <= whole - 500
    assert not picture.filename.endswith(".png")
    assert card.text.splitlines()[-1].startswith("-# Sent as WebP ")
    assert card.text.endswith(" are allowed here.")


async def test_an_upload_limit_that_nobody_announced_is_found(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pictures(await stage.card(seed=5))[0].size
    with stage.bot.frozen():
        asked, _placeholder = await started(stage, seed=5)
        monkeypatch.setitem(wire.UPLOAD_LIMITS, 0, whole - 500)
    card = await gallery(asked)
    assert pictures(card)[0].size <= whole - 500
    assert pixels(pictures(card)[0]).size


async def test_where_nothing_fits_it_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wire.UPLOAD_LIMITS, 0, 50)
    asked = await stage.ask()
    card = await asked.wait_for(lambda post: len(post.buttons) > 1, PATIENCE)
    assert not card.gallery
    assert "does not fit into 50 bytes" in card.text
    await stage.delivered(card, status="succeeded")


async def test_an_age_restricted_channel_is_a_channel(stage: Stage) -> None:
    card = await stage.card(channel="after-dark")
    await gallery(await stage.member("ada").press(card, emoji="🎲"))


async def test_where_no_files_may_be_attached_it_is_said(stage: Stage) -> None:
    asked = await stage.ask(channel="no-uploads")
    card = await asked.wait_for(lambda post: "Attach Files" in post.text, PATIENCE)
    row = await stage.delivered(card, status="succeeded")
    assert [one.emoji for one in card.buttons] == ["🎲", "✏️", "🗑️"]
    assert stage.answers(row["id"]) == [stage.sandbox.find(card.id)]


async def test_where_the_bot_may_not_post_a_command_is_answered(stage: Stage) -> None:
    card = await stage.card(channel="read-only")
    await stage.delivered(card, status="succeeded")
    await gallery(await stage.member("ada").press(card, emoji="🎲"))


def _file() -> tuple[str, bytes]:
    return "harbour.png", photograph()
