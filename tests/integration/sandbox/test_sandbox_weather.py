"""Bad weather, met by discord.py in another process."""

from __future__ import annotations

import aiohttp
import pytest
import pytest_asyncio

from bot.sandbox.server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORIGINAL = "/webhooks/{webhook_id}/{token}/messages/@original"


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def fine(sandbox: Sandbox) -> None:
    sandbox.weather.clear()


async def ask(sandbox: Sandbox, png: bytes, channel: str = "studio") -> object:
    return await sandbox.member("ada").slash(
        channel, "reimagine", image=("cat.png", png), prompt="ink"
    )


async def test_a_dropped_gateway_is_resumed_and_nothing_is_missed(
    sandbox: Sandbox, png: bytes
) -> None:
    resumed, identified = sandbox.gateway.resumed, sandbox.gateway.identified
    assert await sandbox.weather.drop_gateway() == 1
    asked = await sandbox.member("ada").slash(
        "studio", "reimagine", image=("cat.png", png), prompt="while away"
    )
    assert await asked.wait_for(lambda post: post.gallery)
    assert sandbox.gateway.resumed == resumed + 1
    assert sandbox.gateway.identified == identified


async def test_a_refused_resume_makes_the_bot_identify_anew(sandbox: Sandbox) -> None:
    identified = sandbox.gateway.identified
    sandbox.weather.refuse_resume()
    await sandbox.weather.drop_gateway(4000)
    await sandbox.until(
        lambda: sandbox.gateway.identified == identified + 1, 20, "the bot identified anew"
    )
    await sandbox.wait_ready()


async def test_server_errors_are_retried_by_discord_py(sandbox: Sandbox, png: bytes) -> None:
    before = len(sandbox.requests)
    sandbox.weather.fail(f"PATCH {ORIGINAL}", status=502, times=1)
    asked = await sandbox.member("ada").slash(
        "studio", "reimagine", image=("cat.png", png), prompt="through"
    )
    await asked.wait_for(lambda post: post.gallery)
    statuses = [one.status for one in sandbox.requests[before:] if one.route == ORIGINAL]
    assert statuses == [502, 200, 200]


async def test_an_answer_can_be_lost_after_the_call_took_effect(
    sandbox: Sandbox, png: bytes
) -> None:
    mark = await sandbox.member("mo").send("after-dark", "here", files=[("a.png", png)])
    sandbox.weather.fail("POST /channels/*/messages", status=502, after=True)
    before = len(sandbox.requests)
    await sandbox.member("mo").react(mark, "🎲")
    route = "/channels/{channel_id}/messages"

    def sent() -> list[int]:
        return [one.status for one in sandbox.requests[before:] if one.route == route]

    await sandbox.until(lambda: len(sent()) == 3, 20, "lost, repeated, and the second one")
    assert sent() == [502, 200, 200]
    assert len(sandbox.posts("after-dark")) == 2


async def test_a_storm_of_429_passes(sandbox: Sandbox, png: bytes) -> None:
    before = len(sandbox.requests)
    sandbox.weather.storm(f"PATCH {ORIGINAL}", retry_after=0.2, times=2)
    asked = await sandbox.member("ada").slash(
        "studio", "reimagine", image=("cat.png", png), prompt="storm"
    )
    await asked.wait_for(lambda post: post.gallery)
    limited = [one for one in sandbox.requests[before:] if one.status == 429]
    assert len(limited) == 2
    assert limited[0].response == {
        "message": "You are being rate limited.",
        "retry_after": 0.2,
        "global": False,
    }


async def test_a_refused_edit(sandbox: Sandbox, png: bytes) -> None:
    sandbox.weather.refuse_edit(status=403, code=50001)
    asked = await sandbox.member("ada").slash(
        "studio", "reimagine", image=("cat.png", png), prompt="x"
    )
    assert (await asked.response()).text == "403 50001"


async def test_an_expired_token(sandbox: Sandbox, png: bytes) -> None:
    sandbox.weather.slow(f"PATCH {ORIGINAL}", seconds=0.3)
    asked = await sandbox.member("ada").slash(
        "gallery", "reimagine", image=("cat.png", png), prompt="x"
    )
    await asked.ack()
    assert sandbox.weather.expire_token(asked.id) == 1
    said = await sandbox.wait_for(lambda post: "then" in post.content, channel="gallery")
    assert said.content == "404 10015, then 404 10015"


async def test_a_stalled_attachment(sandbox: Sandbox, png: bytes) -> None:
    sandbox.weather.stall_attachment()
    asked = await sandbox.member("ada").slash(
        "studio", "reimagine", image=("cat.png", png), prompt="half"
    )
    await asked.ack()
    with pytest.raises(TimeoutError):
        await asked.wait_for(lambda post: post.gallery, timeout=0.5)
    sandbox.weather.clear()
    assert await asked.wait_for(lambda post: post.gallery)


async def test_weather_is_made_from_another_process(sandbox: Sandbox, png: bytes) -> None:
    door = f"{sandbox.url}/_sandbox/weather"
    async with aiohttp.ClientSession() as session:
        storm = {"name": "refuse-edit", "status": 403, "code": 50013}
        async with session.post(door, json=storm) as response:
            assert response.status == 200
        async with session.post(door, json={"name": "hail"}) as response:
            assert response.status == 400
            assert "drop_gateway" in (await response.json())["error"]
        asked = await sandbox.member("ada").slash(
            "studio", "reimagine", image=("cat.png", png), prompt="x"
        )
        assert (await asked.response()).text == "403 50013"
        async with session.get(f"{sandbox.url}/_sandbox/requests") as response:
            assert (await response.json())[-1]["status"] == 200


async def test_a_deleted_channel(sandbox: Sandbox, png: bytes) -> None:
    sandbox.weather.slow(f"PATCH {ORIGINAL}", seconds=0.3, times=2)
    asked = await sandbox.member("iris", "salon").slash(
        "atrium", "reimagine", image=("cat.png", png), prompt="gone"
    )
    await asked.ack()
    sandbox.weather.delete_channel(sandbox.world.channel("atrium").id)
    refused = [404, 404]
    await sandbox.until(
        lambda: [one.status for one in sandbox.requests[-2:]] == refused, 10, "two refusals"
    )
    assert sandbox.troubles == []
