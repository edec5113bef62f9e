"""What the sandbox answers is valid by Discord's published contract, and so is what it is asked."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from sandbox_contract import CONTRACT, Contract

from bot.sandbox.server import Sandbox

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CONTRACT is None, reason="Discord's published contract is not at hand"),
]


async def test_questions_and_answers_are_valid(sandbox: Sandbox, png: bytes) -> None:
    ada, world = sandbox.member("ada"), sandbox.world
    asked = await ada.slash("studio", "reimagine", image=("c.png", png), prompt="ink")
    card = await asked.wait_for(lambda post: post.gallery)
    await (await ada.press(card, emoji="🎲")).wait_for(lambda post: post.gallery)
    opened = await ada.press(card, emoji="✏️")
    await (await ada.submit(opened, {"source": ("new.png", png)})).response()
    posted = await ada.send("studio", "look", files=[("mine.png", png)])
    await (await ada.menu(posted, "Reimagine this")).response()
    await ada.autocomplete("studio", "reimagine", "model", "t")
    await ada.react(card, "🎲")
    await sandbox.wait_for(lambda post: post.reply_to == card.id)
    refused = await ada.slash("no-uploads", "reimagine", image=("c.png", png), prompt="ink")
    await refused.wait_for(lambda post: post.content == "403 50013")

    application = sandbox.host.backend.application_id
    paths = [
        "users/@me",
        "gateway",
        "gateway/bot",
        f"applications/{application}/commands",
        f"guilds/{world.salon.id}",
        f"guilds/{world.salon.id}/members/{ada.id}",
        f"channels/{card.channel_id}",
        f"channels/{card.channel_id}/messages",
        f"channels/{card.channel_id}/messages/{card.id}",
    ]
    headers = {"Authorization": f"Bot {sandbox.token}"}
    async with aiohttp.ClientSession(sandbox.api_url + "/", headers=headers) as session:
        for path in paths:
            async with session.get(path) as response:
                assert response.status == 200
    assert CONTRACT is not None
    contract = await asyncio.to_thread(Contract, CONTRACT)
    assert contract.complaints(sandbox.requests) == []
