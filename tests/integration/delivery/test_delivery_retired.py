"""A placeholder that a post has answered does not wait for ever, whenever the bot dies."""

import asyncio

from delivery_discord import Call, Discord
from delivery_studio import Studio

from bot.model import DeliveryState


async def test_a_bot_that_dies_after_the_post_retires_the_placeholder_later(
    studio: Studio, discord_server: Discord
) -> None:
    gate = asyncio.Event()

    def retires(call: Call) -> bool:
        return call.method == "PATCH" and call.path.startswith("/channels/")

    discord_server.fail(500, when=retires, hold=gate, drop=True, times=1)
    job = await studio.ask(expires_in=1)
    placeholder = job.message_id
    assert placeholder is not None
    async with studio.delivering():
        await studio.finish(job)
        await discord_server.until(lambda: any(map(retires, discord_server.calls)))
    gate.set()
    assert (await studio.service.get(job.id)).delivery is DeliveryState.PENDING
    async with studio.delivering():
        job = await studio.settled(job)
    assert "Answered further below" in str(discord_server.messages[placeholder])
    assert len(discord_server.of("POST")) == 1
    assert job.message_id != placeholder
