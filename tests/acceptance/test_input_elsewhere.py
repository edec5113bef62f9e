"""The menu of a message, and the die as a reaction."""

import pytest
from input_studio import (
    OTHER,
    SOURCE,
    Studio,
    all_jobs,
    card_of,
    everything,
    gallery,
    here,
    job_id,
    set_policy,
    told,
)

from bot.model import DeliveryState, JobStatus, OriginKind

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_any_message_with_a_picture_can_be_reimagined(here: Studio) -> None:
    iris, jun = here.sandbox.member("iris"), here.sandbox.member("jun")
    posted = await iris.send("studio", "look", files=[SOURCE, OTHER])
    opened = await jun.menu(posted, "Reimagine this")
    form = await opened.modal()
    assert form.field("picture").options == ("0", "1")
    sent = await jun.submit(opened, {"picture": ["1"], "prompt": "oil", "strength": "0.4"})
    card = await gallery(sent)
    job = await here.service.get(job_id(card))
    assert job.origin.kind is OriginKind.MENU
    assert (job.origin.user_id, job.origin.reply_to) == (jun.id, posted.id)
    assert (job.recipe.prompt, job.recipe.strength) == ("oil", 0.4)
    assert job.source is not None
    stored = await here.images.info(job.source)
    assert (stored.width, stored.height) == (96, 128)


async def test_a_message_without_a_picture_cannot(here: Studio) -> None:
    jun = here.sandbox.member("jun")
    posted = await jun.send("studio", "just words")
    assert "no picture" in await told(here, await jun.menu(posted, "Reimagine this"))


async def test_anybody_can_reimagine_our_own_gallery_from_the_stored_result(here: Studio) -> None:
    iris = here.sandbox.member("iris")
    card = await card_of(here, count=2)
    opened = await iris.menu(card, "Reimagine this")
    assert (await opened.modal()).field("prompt").value == "ink wash"
    child = await gallery(await iris.submit(opened, {"picture": ["1"]}))
    job, parent = await here.service.get(job_id(child)), await here.service.get(job_id(card))
    assert (job.source, job.origin.user_id) == (parent.results[1], iris.id)


async def test_a_die_as_a_reaction_rerolls_for_whoever_reacts(here: Studio) -> None:
    jun = here.sandbox.member("jun")
    card = await card_of(here)
    await jun.react(card, "🎲")
    reply = await here.sandbox.wait_for(
        lambda post: post.reply_to == card.id and post.gallery, channel="studio"
    )
    job = await here.service.get(job_id(reply))
    assert (job.origin.kind, job.origin.user_id) == (OriginKind.REACTION, jun.id)
    assert job.parent_id == job_id(card)
    assert job.message_id == reply.id
    bodies = [one.json for one in here.sandbox.requests if isinstance(one.json, dict)]
    nonces = [one for one in bodies if one.get("nonce") == f"palimpsest-ask-{job.id}"]
    assert [one["enforce_nonce"] for one in nonces] == [True]


async def test_other_reactions_and_other_messages_are_left_alone(here: Studio) -> None:
    jun = here.sandbox.member("jun")
    card = await card_of(here)
    words = await jun.send("studio", "roll this")
    await jun.react(card, "❤️")
    await jun.react(words, "🎲")
    before = len(here.painter.requests)
    await card_of(here)  # it came after both, and so they are done with
    assert len(here.painter.requests) == before + 1


async def test_a_refused_die_is_told_shortly_once_and_goes_away(
    here: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_ui.reactions.NOTICE_SECONDS", 1.0)
    iris = here.sandbox.member("iris")
    card, other = await card_of(here), await card_of(here)
    await set_policy(here, member_budget=0.1)
    await iris.react(card, "🎲")
    notice = await here.sandbox.wait_for(
        lambda post: post.reply_to == card.id and "budget" in post.text, channel="studio"
    )
    assert f"<@{iris.id}>" in notice.text
    await iris.react(other, "🎲")  # ignored while the notice stands
    await here.sandbox.until(lambda: here.sandbox.find(notice.id) is None, 5, "the notice goes")
    assert not [post for post in here.sandbox.posts("studio") if post.reply_to == other.id]
    (job,) = [one for one in await all_jobs(here) if one.parent_id == job_id(card)]
    assert (job.status, job.delivery) == (JobStatus.REFUSED, DeliveryState.DELIVERED)
