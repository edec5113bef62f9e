"""The placeholder of a 🎲 reaction is there once, whatever is lost on the way."""

from pathlib import Path

import pytest
from input_studio import card_of, studio

from bot.discord_ui import reactions
from bot.discord_ui.flows import Flows
from bot.jobs.service import JobService
from bot.model import Job
from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox

POST = "POST /channels/*/messages"


async def stopped(_flows: Flows, _job: Job) -> str | None:
    """In place of `Flows.submit`: the run ended here."""
    return None


async def not_noted(_service: JobService, _job_id: int, _message_id: int) -> bool:
    """In place of `JobService.set_message`."""
    return True


def replies(sandbox: Sandbox, card: Post) -> list[Post]:
    return [post for post in sandbox.posts() if post.reply_to == card.id]


async def test_a_post_whose_answer_is_lost_is_not_a_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reactions, "FIRST_PAUSE", 0.05)
    async with Sandbox() as sandbox, studio(sandbox, tmp_path) as here:
        card = await card_of(here)
        sandbox.weather.fail(POST, status=503, times=2, after=True)
        await sandbox.member("jun").react(card, "🎲")
        await sandbox.wait_for(lambda post: post.reply_to == card.id and post.gallery)
        assert len(replies(sandbox, card)) == 1


@pytest.mark.parametrize("readable", [True, False])
async def test_a_placeholder_that_was_not_noted_is_found_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    async with Sandbox() as sandbox:
        with monkeypatch.context() as patch:
            async with studio(sandbox, tmp_path) as first:
                card = await card_of(first)
                patch.setattr(Flows, "submit", stopped)
                patch.setattr(JobService, "set_message", not_noted)
                await sandbox.member("jun").react(card, "🎲")
                placeholder = await sandbox.wait_for(lambda post: post.reply_to == card.id)
        if not readable:
            sandbox.weather.fail("GET /channels/*/messages", status=403, code=50001, times=10)
        else:
            sandbox.front.rules._nonces.clear()
        async with studio(sandbox, tmp_path):
            done = await sandbox.wait_for(lambda post: post.reply_to == card.id and post.gallery)
            assert [post.id for post in replies(sandbox, card)] == [placeholder.id] == [done.id]
