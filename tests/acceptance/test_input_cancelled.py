"""What is cancelled before it waits in line leaves the card that says so, and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from input_studio import Studio, all_jobs, ask, card_of, studio

from bot.discord_ui import flows
from bot.discord_ui.reactions import Reactions
from bot.jobs.service import Actor, JobService
from bot.model import DeliveryState, Job, JobStatus
from bot.sandbox.server import Sandbox

POST = "POST /channels/{channel_id}/messages"


async def cancelled(here: Studio) -> Job:
    """The job that is RECEIVED, once it is cancelled and the channel knows."""
    (job,) = [one for one in await all_jobs(here) if one.status is JobStatus.RECEIVED]
    await here.service.cancel(job.id, Actor(user_id=0, manages_messages=True))
    async with asyncio.timeout(10):
        while True:
            job = await here.service.get(job.id)
            if job.delivery is not DeliveryState.PENDING:
                return job
            await asyncio.sleep(0.01)


def cancelling(
    monkeypatch: pytest.MonkeyPatch, here: Studio, when: str, owner: Any, name: str
) -> None:
    """The job is cancelled before or after this is done."""
    does = getattr(owner, name)

    async def around(*args: Any, **values: Any) -> Any:
        if when == "before":
            await cancelled(here)
            return await does(*args, **values)
        answer = await does(*args, **values)
        await cancelled(here)
        return answer

    monkeypatch.setattr(owner, name, around)


def ending(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> asyncio.Future[Any]:
    """What this gives when it is done next."""
    does = getattr(owner, name)
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def noted(*args: Any, **values: Any) -> Any:
        answer = await does(*args, **values)
        ended.set_result(answer)
        return answer

    monkeypatch.setattr(owner, name, noted)
    return ended


@pytest.mark.parametrize(
    ("when", "owner", "name"),
    [
        ("after", Reactions, "_record"),
        ("before", Reactions, "_post"),
        ("after", Reactions, "_post"),
        ("after", JobService, "set_message"),
    ],
)
async def test_a_die_that_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, owner: Any, name: str
) -> None:
    async with Sandbox() as sandbox, studio(sandbox, tmp_path) as here:
        card = await card_of(here)
        cancelling(monkeypatch, here, when, owner, name)
        ended = ending(monkeypatch, Reactions, "carry_on")
        await sandbox.member("jun").react(card, "🎲")
        assert await asyncio.wait_for(ended, 20) is None
        (left,) = [post for post in sandbox.posts() if post.reply_to == card.id]
        assert "Cancelled" in left.text
        job = max(await all_jobs(here), key=lambda job: job.id)
        assert (job.status, job.message_id) == (JobStatus.CANCELLED, left.id)
        posted = [one for one in sandbox.requests if f"{one.method} {one.route}" == POST]
        assert len(posted) == (2 if name == "_post" else 1), "none that is sure to go away again"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_command_that_is_cancelled_as_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    async with Sandbox() as sandbox, studio(sandbox, tmp_path) as here:
        cancelling(monkeypatch, here, when, flows, "defer")
        ended = ending(monkeypatch, flows.Flows, "_ask")
        asked = await ask(here)
        await asyncio.wait_for(ended, 20)
        (left,) = sandbox.posts("studio")
        assert "Cancelled" in left.text
        assert (asked.post is None) is (when == "before")
        (job,) = await all_jobs(here)
        assert job.message_id == left.id


async def test_a_command_that_is_cancelled_while_what_is_no_picture_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox, studio(sandbox, tmp_path) as here:
        ended = ending(monkeypatch, flows.Flows, "_ask")
        sandbox.weather.stall_attachment()
        asked = await ask(here, image=("torn.png", b"no picture" * 100))
        await asked.ack()
        await cancelled(here)
        sandbox.weather.clear()
        await asyncio.wait_for(ended, 20)
        (left,) = sandbox.posts("studio")
        assert "Cancelled" in left.text
        assert asked.post is not None and asked.post.id == left.id
