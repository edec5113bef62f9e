import asyncio
import errno
import io
from typing import Any

import pytest
from delivery_discord import CHANNEL_ID, Call, Discord
from delivery_studio import Studio, picture
from PIL import Image

from bot.discord_ui.onward import Onward
from bot.jobs.service import Actor
from bot.model import DeliveryState


def by_token(call: Call) -> bool:
    return call.path.startswith("/webhooks/")


def posts(call: Call) -> bool:
    return call.method == "POST"


async def test_the_placeholder_becomes_the_result(studio: Studio, discord_server: Discord) -> None:
    job = await studio.ask(known=False, prompt="@everyone <@33>", count=2)
    async with studio.delivering():
        await studio.finish(job, picture(), picture(80, 60))
        job = await studio.settled(job)
    last = discord_server.calls[-1]
    assert (
        last.path
        == f"/webhooks/9001/{job.origin.interaction_token or 'token-1'}/messages/@original"
    )
    assert list(last.files) == [
        f"palimpsest-{job.id}-1.png",
        f"palimpsest-{job.id}-2.png",
        f"source-{job.id}.jpg",
    ]
    assert last.files[f"palimpsest-{job.id}-2.png"] == picture(80, 60)
    assert Image.open(io.BytesIO(last.files[f"source-{job.id}.jpg"])).size == (64, 48)
    actions = ["reroll", "weaker", "stronger", "edit", "source", "paint", "upscale"]
    actions += ["variations", "ladder", "compare", "delete"]
    assert last.buttons == actions
    assert last.body["allowed_mentions"]["parse"] == []
    assert job.delivery is DeliveryState.DELIVERED
    assert job.message_id == discord_server.originals["token-1"]
    assert not discord_server.of("POST")


async def test_a_dead_token_makes_it_a_reply(studio: Studio, discord_server: Discord) -> None:
    job = await studio.ask(expires_in=1)  # within the margin: as good as expired
    async with studio.delivering():
        await studio.finish(job)
        placeholder = job.message_id
        job = await studio.settled(job)
        await discord_server.until(lambda: discord_server.of("PATCH"))
    (post,) = discord_server.of("POST")
    assert post.path == f"/channels/{CHANNEL_ID}/messages"
    assert post.body["message_reference"]["message_id"] == placeholder
    assert post.body["message_reference"]["fail_if_not_exists"] is False
    assert post.body["nonce"] == f"palimpsest-{job.id}"
    assert post.body["enforce_nonce"] is True
    assert post.body["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert job.message_id not in (None, placeholder)
    (left,) = discord_server.of("PATCH")  # the placeholder says where the answer is
    assert left.path.endswith(f"/messages/{placeholder}")
    assert str(job.message_id) in left.texts


@pytest.mark.parametrize(
    ("status", "code"), [(404, 10015), (404, 10008), (401, 50027), (403, 50001), (404, 10003)]
)
async def test_an_edit_that_can_never_work_becomes_a_post(
    studio: Studio, discord_server: Discord, status: int, code: int
) -> None:
    discord_server.fail(status, code, when=by_token)
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert len(discord_server.of("POST")) == 1
    assert job.delivery is DeliveryState.DELIVERED


async def test_a_reactions_placeholder_is_edited_by_the_bot(
    studio: Studio, discord_server: Discord
) -> None:
    job = await studio.ask(expires_in=None)
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert {call.path for call in discord_server.calls} <= {
        f"/channels/{CHANNEL_ID}/messages/{job.message_id}"
    }
    assert "reroll" in discord_server.shown(job.message_id or 0).buttons


async def test_a_reaction_without_a_placeholder_answers_the_card(
    studio: Studio, discord_server: Discord
) -> None:
    job = await studio.ask(expires_in=None, known=False)
    async with studio.delivering():
        await studio.finish(job)
        await studio.settled(job)
    (post,) = discord_server.of("POST")
    assert post.body["message_reference"]["message_id"] == 55


@pytest.mark.parametrize("code", [10003, 50001, 50013])
async def test_a_lost_channel_ends_the_delivery(
    studio: Studio, discord_server: Discord, code: int
) -> None:
    discord_server.fail(404 if code == 10003 else 403, code)
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert job.delivery is DeliveryState.ABANDONED
    calls = len(discord_server.calls)
    async with studio.delivering():  # and is not tried again
        other = await studio.ask()
        await studio.finish(other)
        await studio.settled(other)
    assert all(f"-{job.id}-" not in str(call.files) for call in discord_server.calls[calls:])


@pytest.mark.parametrize(("task", "again"), [("img2img", "reroll"), ("denoise", "again")])
async def test_without_the_right_to_attach_it_is_said_in_words(
    studio: Studio, discord_server: Discord, task: str, again: str
) -> None:
    discord_server.fail(403, 50013, when=lambda call: bool(call.files))
    job = await studio.ask(task=task)
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert "may not attach files" in discord_server.calls[-1].texts
    assert "press the first button below" in discord_server.calls[-1].texts
    assert discord_server.calls[-1].buttons[0] == again
    assert discord_server.calls[-1].files == {}
    assert job.delivery is DeliveryState.DELIVERED


async def test_too_large_is_sent_smaller_and_said(studio: Studio, discord_server: Discord) -> None:
    large = picture(200, 200, noise=True)
    discord_server.fail(
        413, 40005, when=lambda call: any(len(d) > 60_000 for d in call.files.values())
    )
    job = await studio.ask(limit=200_000)
    async with studio.delivering():
        await studio.finish(job, large)
        await studio.settled(job)
    final = discord_server.calls[-1]
    name = next(name for name in final.files if name.startswith("palimpsest"))
    assert name.endswith((".webp", ".jpg"))
    assert len(final.files[name]) <= 60_000
    assert "-# Sent as " in final.texts


async def test_a_card_that_discord_rejects_is_replaced_by_a_reference(
    studio: Studio, discord_server: Discord, caplog: pytest.LogCaptureFixture
) -> None:
    discord_server.fail(400, 50035, when=lambda call: "reroll" in call.buttons and bool(call.files))
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    text = discord_server.calls[-1].texts
    reference = text.partition("`")[2].partition("`")[0]
    assert reference
    assert reference in caplog.text
    assert job.delivery is DeliveryState.DELIVERED


async def test_a_prompt_that_automod_blocks_is_not_repeated(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(400, 200000, when=lambda call: "lighthouse" in str(call.body))
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert "that is not your doing" in discord_server.calls[-1].texts
    assert job.delivery is DeliveryState.DELIVERED


async def test_what_discord_will_not_take_at_all_is_given_up(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(400, 50035)
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert job.delivery is DeliveryState.ABANDONED
    assert len(discord_server.calls) == 2


async def test_a_removed_picture_is_said(studio: Studio, discord_server: Discord) -> None:
    job = await studio.ask()
    await studio.finish(job, tell=False)
    sha = (await studio.service.get(job.id)).results[0]
    (studio.folder / sha[:2] / sha).unlink()
    async with studio.delivering():
        await studio.settled(job)
    assert "no longer kept" in discord_server.calls[-1].texts


async def test_models_that_cannot_be_read_hold_up_no_picture(
    studio: Studio, discord_server: Discord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: Any) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", "models")

    monkeypatch.setattr(Onward, "refused", unreadable)
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        await studio.settled(job)
    assert f"palimpsest-{job.id}-1.png" in discord_server.calls[-1].files
    assert {"paint", "variations", "ladder"} <= set(discord_server.calls[-1].buttons)


async def test_cancelling_shows_on_the_card(studio: Studio, discord_server: Discord) -> None:
    job = await studio.ask()
    async with studio.delivering():
        await studio.service.cancel(job.id, Actor(user_id=33, manages_messages=False))
        await studio.settled(job)
    assert "Cancelled" in discord_server.calls[-1].texts
    assert "cancel" not in discord_server.calls[-1].buttons


async def test_a_failure_shows_its_reference(studio: Studio, discord_server: Discord) -> None:
    job = await studio.ask()
    async with studio.delivering():
        await studio.service.fail(job.id, text="It broke.", reference="ABC123")
        await studio.settled(job)
    assert "It broke. Reference ABC123." in discord_server.calls[-1].texts


async def test_a_refusal_that_is_told_privately_is_not_told_again(
    studio: Studio, discord_server: Discord
) -> None:
    job = await studio.ask(queued=False)
    async with studio.delivering():
        await studio.service.fail(job.id, text="That is no picture.")
        await studio.service.mark_delivered(job.id, None)
        await asyncio.sleep(0.5)  # longer than the grace
        assert discord_server.calls == []
        other = await studio.ask(queued=False)
        await studio.service.fail(other.id, text="That is no picture.")
        await studio.settled(other)
    assert "That is no picture." in discord_server.calls[-1].texts


async def test_a_bot_that_may_not_reply_still_posts(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(400, 160002, when=lambda call: "message_reference" in call.body)
    job = await studio.ask(expires_in=1)
    async with studio.delivering():
        await studio.finish(job)
        await studio.settled(job)
    assert [("message_reference" in call.body) for call in discord_server.of("POST")] == [
        True,
        False,
    ]
