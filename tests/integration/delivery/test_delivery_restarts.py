"""Exactly once: whatever is cut off where, the channel shows each job's end in one message."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from delivery_discord import CHANNEL_ID, Call, Discord
from delivery_studio import Studio, picture

from bot.discord_ui import delivery
from bot.jobs.events import JobFinished
from bot.jobs.service import Actor
from bot.model import DeliveryState, Job


def ends(server: Discord, job: Job) -> list[int]:
    """The messages that show how a job ended."""
    return [
        message_id
        for message_id in server.messages
        if any(button in ("reroll", "delete") for button in server.shown(message_id).buttons)
        and f":{job.id}'" in str(server.messages[message_id])
    ]


def by_token(call: Call) -> bool:
    return call.path.startswith("/webhooks/")


def posts(call: Call) -> bool:
    return call.method == "POST"


def much_later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


async def test_what_an_earlier_run_left_is_delivered(
    studio: Studio, discord_server: Discord
) -> None:
    jobs = [await studio.ask() for _ in range(12)]
    for job in jobs:
        await studio.finish(job, tell=False)
    async with studio.delivering():
        for job in jobs:
            assert (await studio.settled(job)).delivery is DeliveryState.DELIVERED
    assert [len(ends(discord_server, job)) for job in jobs] == [1] * 12
    calls = len(discord_server.calls)
    async with studio.delivering():
        other = await studio.ask()
        await studio.finish(other)
        await studio.settled(other)
    assert len(discord_server.calls) == calls + 1


async def test_an_edit_that_arrived_unheard_is_made_again(
    studio: Studio, discord_server: Discord
) -> None:
    gate = asyncio.Event()
    discord_server.fail(500, after=True, hold=gate, drop=True, times=1)
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        await discord_server.until(lambda: discord_server.under_way)
    gate.set()
    await discord_server.until(lambda: not discord_server.under_way)
    assert (await studio.service.get(job.id)).delivery is DeliveryState.PENDING
    async with studio.delivering():
        await studio.settled(job)
    assert len(ends(discord_server, job)) == 1
    assert not discord_server.of("POST")


async def test_an_edit_that_arrived_unheard_is_found_after_the_token_died(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(500, when=by_token, after=True, drop=True)
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        await discord_server.until(lambda: ends(discord_server, job))
    async with studio.delivering(now=much_later):
        job = await studio.settled(job)
    assert ends(discord_server, job) == [job.message_id]
    assert not discord_server.of("POST")


@pytest.mark.parametrize("known", [True, False])
async def test_a_post_that_arrived_unheard_is_found_after_a_restart(
    studio: Studio, discord_server: Discord, known: bool
) -> None:
    """Also when Discord has forgotten the nonce, and among many other messages."""
    discord_server.fail(500, when=posts, after=True, drop=True)
    discord_server.fail(503, when=lambda call: call.method == "GET")  # no looking, for now
    job = await studio.ask(expires_in=1, known=known)
    async with studio.delivering():
        await studio.finish(job)
        await discord_server.until(lambda: ends(discord_server, job))
    discord_server.troubles.clear()
    discord_server.forgets_nonces = True
    for _ in range(150):
        discord_server.placeholder(None)
    async with studio.delivering():
        job = await studio.settled(job)
    assert ends(discord_server, job) == [job.message_id]


async def test_a_post_that_arrived_unheard_is_found_without_a_restart(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(500, when=posts, after=True, drop=True, times=1)
    discord_server.forgets_nonces = True
    job = await studio.ask(expires_in=1)
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert ends(discord_server, job) == [job.message_id]
    assert len(discord_server.of("POST")) == 1


async def test_without_a_history_the_nonce_keeps_it_one_message(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(403, 50001, when=lambda call: call.method == "GET")
    discord_server.fail(500, when=posts, after=True, drop=True, times=1)
    job = await studio.ask(expires_in=1)
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert ends(discord_server, job) == [job.message_id]
    assert len(discord_server.of("POST")) == 2


@pytest.mark.parametrize(("status", "drop"), [(429, False), (503, False), (403, False), (0, True)])
async def test_bad_weather_is_waited_out(
    studio: Studio, discord_server: Discord, status: int, drop: bool
) -> None:
    discord_server.fail(status, times=3, drop=drop, when=posts)
    job = await studio.ask(expires_in=1)
    async with studio.delivering():
        await studio.finish(job)
        job = await studio.settled(job)
    assert ends(discord_server, job) == [job.message_id]


async def test_a_token_that_dies_in_bad_weather_makes_it_a_post(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(0, when=by_token, drop=True)
    moment = [datetime.now(UTC)]
    job = await studio.ask()
    async with studio.delivering(now=lambda: moment[0]):
        await studio.finish(job)
        await discord_server.until(lambda: len(discord_server.calls) >= 2)
        moment[0] = much_later()
        job = await studio.settled(job)
    assert ends(discord_server, job) == [job.message_id]
    assert len(discord_server.of("POST")) == 1


async def test_a_slow_channel_holds_up_no_other(studio: Studio, discord_server: Discord) -> None:
    gate = asyncio.Event()
    slow = [await studio.ask(channel=1) for _ in range(20)]
    tokens = {f"token-{number}" for number in range(1, 21)}
    discord_server.fail(200, when=lambda call: call.path.split("/")[3] in tokens, hold=gate)
    quick = [await studio.ask() for _ in range(3)]
    async with studio.delivering():
        for job in [*slow, *quick]:
            await studio.finish(job)
        for job in quick:
            await studio.settled(job)
        await discord_server.until(lambda: discord_server.under_way == 2)
        gate.set()
        for job in slow:
            await studio.settled(job)
    assert [len(ends(discord_server, job)) for job in [*slow, *quick]] == [1] * 23


async def test_a_fault_with_one_job_leaves_the_others_alone(
    studio: Studio, discord_server: Discord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.1)
    broken = await studio.ask()
    await studio.finish(broken, png := picture(80, 60), tell=False)
    sha = (await studio.service.get(broken.id)).results[0]
    file = studio.folder / sha[:2] / sha
    file.unlink()
    file.mkdir()  # neither there nor gone
    async with studio.delivering():
        other = await studio.ask()
        await studio.finish(other)
        await studio.settled(other)
        assert (await studio.service.get(broken.id)).delivery is DeliveryState.PENDING
        file.rmdir()
        file.write_bytes(png)
        await studio.settled(broken)
    assert len(ends(discord_server, broken)) == 1


async def test_events_that_repeat_deliver_once(studio: Studio, discord_server: Discord) -> None:
    job = await studio.ask()
    async with studio.delivering():
        await studio.finish(job)
        for _ in range(5):
            studio.events.publish(JobFinished(job_id=job.id))
        await studio.settled(job)
        studio.events.publish(JobFinished(job_id=job.id))
        other = await studio.ask(channel=CHANNEL_ID + 1)
        await studio.finish(other)
        await studio.settled(other)
    assert len(discord_server.calls) == 2


async def test_what_is_deleted_meanwhile_is_tried_no_longer(
    studio: Studio, discord_server: Discord
) -> None:
    discord_server.fail(503, when=posts)
    job = await studio.ask(expires_in=1)
    async with studio.delivering() as delivering:
        await studio.finish(job)
        await discord_server.until(lambda: discord_server.of("POST"))
        await studio.service.delete(job.id, Actor(user_id=33, manages_messages=False))
        await studio.until(job, lambda _: not delivering._delivering)
    assert ends(discord_server, job) == []
