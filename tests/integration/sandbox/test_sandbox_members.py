"""What a member can do, with a bot in another process at the other end of real sockets."""

from __future__ import annotations

import asyncio

import pytest
from simcord.backend.errors import SetupError

from bot.sandbox.server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_slash_command_with_an_attachment_comes_back_as_a_gallery(
    sandbox: Sandbox, png: bytes
) -> None:
    asked = await sandbox.member("ada").slash(
        "studio", "reimagine", image=("cat.png", png), prompt="ink"
    )
    await asked.ack()
    assert asked.kind == "deferred"
    card = await asked.wait_for(lambda post: post.gallery)
    assert card.text == f"ink by pocket, {10 * 1024 * 1024}"
    assert card.attachments[0].data == png
    assert card.attachments[0].description == "what it shows"
    assert card.for_user == sandbox.member("ada").id
    assert card.edits == 2
    assert [one.emoji for one in card.buttons] == ["🎲", "✏️"]


async def test_the_boosted_guild_allows_larger_files(sandbox: Sandbox, png: bytes) -> None:
    asked = await sandbox.member("jun", "salon").slash(
        "atrium", "reimagine", image=("cat.png", png), prompt="ink"
    )
    card = await asked.wait_for(lambda post: post.gallery)
    assert card.text.endswith(str(50 * 1024 * 1024))


async def test_buttons_modals_menus_reactions_and_autocomplete(
    sandbox: Sandbox, png: bytes
) -> None:
    ada, iris = sandbox.member("ada"), sandbox.member("iris")
    asked = await ada.slash("gallery", "reimagine", image=("cat.png", png), prompt="ink")
    card = await asked.wait_for(lambda post: post.gallery)

    again = await iris.press(card, emoji="🎲")
    assert (await again.wait_for(lambda post: post.gallery)).text == "rerolled 1"

    opened = await ada.press(card, custom_id="toy:edit")
    modal = await opened.modal()
    assert modal.title == "Edit the prompt"
    assert modal.field("prompt").value == "a quiet harbour"
    sent = await ada.submit(opened, {"source": ("new.png", png)})
    answer = await sent.response()
    assert answer.text == f"edited to 'a quiet harbour' with ['new.png:{len(png)}']"
    assert answer.ephemeral
    assert answer not in iris.sees("gallery")
    assert answer in ada.sees("gallery")

    posted = await iris.send("gallery", "look", files=[("mine.png", png)])
    menu = await ada.menu(posted, "Reimagine this")
    assert (await menu.response()).text == f"iris: [{len(png)}]"

    await ada.react(card, "🎲")
    reply = await sandbox.wait_for(lambda post: post.reply_to == card.id, channel="gallery")
    assert reply.content == "reacted 🎲"

    choices = await ada.autocomplete("studio", "reimagine", "model", "t")
    assert [one["value"] for one in choices] == ["pocket", "turbo"]


async def test_the_same_enforced_nonce_is_not_a_second_message(
    sandbox: Sandbox, png: bytes
) -> None:
    mark = await sandbox.member("mo").send("after-dark", "one", files=[("a.png", png)])
    before = len(sandbox.requests)
    await sandbox.member("mo").react(mark, "🎲")

    def both() -> bool:
        new = sandbox.requests[before:]
        return sum(one.method == "POST" for one in new) == 2

    await sandbox.until(both, 10, "both messages sent")
    first, second = sandbox.requests[-2:]
    assert first.json["enforce_nonce"] is True
    assert first.response["id"] == second.response["id"]
    assert len(sandbox.posts("after-dark")) == 2


async def test_a_member_cannot_do_what_a_client_would_not_let_him(sandbox: Sandbox) -> None:
    with pytest.raises(SetupError):
        await sandbox.member("jun").slash("studio", "no-such-command")
    with pytest.raises(SetupError):
        await sandbox.member("jun").slash("studio", "reimagine", prompt="no picture")


async def test_many_members_act_at_once(sandbox: Sandbox, png: bytes) -> None:
    people = [sandbox.member(name) for name in ("ada", "mo", "iris", "jun")]
    asked = await asyncio.gather(
        *(one.slash("studio", "reimagine", image=("c.png", png), prompt=one.name) for one in people)
    )
    cards = await asyncio.gather(*(one.wait_for(lambda post: post.gallery) for one in asked))
    assert [card.text.split()[0] for card in cards] == ["ada", "mo", "iris", "jun"]


async def test_the_record_shows_every_request_and_nothing_was_beyond_the_sandbox(
    sandbox: Sandbox,
) -> None:
    callback = "/interactions/{interaction_id}/{token}/callback"
    first = next(one for one in sandbox.requests if one.route == callback)
    assert first.method == "POST"
    assert first.json == {"type": 5}
    assert first.status == 200
    assert first.response["interaction"]["response_message_loading"] is True
    edit = next(one for one in sandbox.requests if one.method == "PATCH" and one.files)
    assert edit.route == "/webhooks/{webhook_id}/{token}/messages/@original"
    assert edit.files[0].name == "0.png"
    assert "ex=" in edit.response["attachments"][0]["url"]
    assert sandbox.troubles == []
