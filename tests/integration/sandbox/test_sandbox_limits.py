"""What SimCord does not enforce and Discord does, as a bot meets it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox
from bot.sandbox.wire import MIB

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def answer(
    sandbox: Sandbox, who: str, where: str, guild: str = "atelier", **more: Any
) -> Post:
    asked = await sandbox.member(who, guild).slash(
        where, "reimagine", image=("cat.png", b"not a picture"), prompt="ink", **more
    )
    return await asked.wait_for(lambda post: not post.loading and post.content[:1] != "0")


async def test_uploads_are_limited_by_the_guilds_boosts(sandbox: Sandbox) -> None:
    assert (await answer(sandbox, "ada", "studio", size=10 * MIB)).gallery
    assert (await answer(sandbox, "ada", "studio", size=10 * MIB + 1)).text == "413 40005"
    assert (await answer(sandbox, "ada", "atrium", "salon", size=10 * MIB + 1)).gallery


async def test_no_more_than_ten_files(sandbox: Sandbox) -> None:
    assert len((await answer(sandbox, "mo", "studio", count=10)).attachments) == 10
    assert (await answer(sandbox, "mo", "studio", count=11)).text == "400 50035"


async def test_a_bot_that_may_not_attach_files_is_told_so(sandbox: Sandbox) -> None:
    assert (await answer(sandbox, "iris", "no-uploads")).text == "403 50013"


async def test_an_unacknowledged_interaction_dies_after_three_seconds(sandbox: Sandbox) -> None:
    asked = await sandbox.member("ada").slash("gallery", "late")
    with pytest.raises(TimeoutError):
        await asked.ack()
    said = await sandbox.wait_for(lambda post: post.content.startswith("late:"))
    assert said.content == "late: 404 10062"


async def test_a_burst_is_held_to_the_bucket_and_nothing_is_lost(sandbox: Sandbox) -> None:
    before = len(sandbox.requests)
    await sandbox.member("ada").slash("gallery", "burst", messages=8)

    def arrived() -> bool:
        said = [post.content for post in sandbox.posts("gallery")]
        return all(f"burst {number}" in said for number in range(8))

    await sandbox.until(arrived, 20, "all eight messages")
    sent = [one for one in sandbox.requests[before:] if one.route.endswith("/messages")]
    assert sum(one.status == 200 for one in sent) == 8
    limited = [one for one in sent if one.status == 429]
    headers = (limited or sent)[0].headers
    assert headers["X-RateLimit-Limit"] == "5"
    assert sent[-1].started - sent[0].started > 4


async def test_attachments_need_a_signature_that_is_still_good(sandbox: Sandbox) -> None:
    await answer(sandbox, "jun", "studio")
    edit = [one for one in sandbox.requests if one.files and one.status == 200][-1]
    url = edit.response["attachments"][0]["url"]
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as good:
            assert good.status == 200
            assert await good.read() == b"not a picture"
        async with session.get(url.partition("?")[0]) as unsigned:
            assert unsigned.status == 404
        sandbox.weather.expire_attachments()
        async with session.get(url) as expired:
            assert expired.status == 404


async def test_the_global_limit_is_a_real_429(sandbox: Sandbox) -> None:
    """Any client that ignores the headers, whatever its library, runs into it."""
    headers = {"Authorization": f"Bot {sandbox.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def ask(number: int) -> tuple[int, Any, str | None]:
            route = f"guilds/{sandbox.world.guilds[number % 2].id}"
            async with session.get(f"{sandbox.api_url}/{route}") as response:
                return response.status, await response.json(), response.headers.get("Via")

        answers = await asyncio.gather(*(ask(number) for number in range(60)))
        assert {status for status, _body, _via in answers} == {200, 429}
        body = next(body for status, body, _via in answers if status == 429)
        assert body["message"] == "You are being rate limited."
        assert 0 < body["retry_after"] <= 1
        assert any(body.get("global") for status, body, _via in answers if status == 429)
        assert all(via for status, _body, via in answers if status == 429)


async def test_strangers_are_turned_away(sandbox: Sandbox) -> None:
    url = f"{sandbox.api_url}/users/@me"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 401
        assert response.headers["Content-Type"] == "application/json"
