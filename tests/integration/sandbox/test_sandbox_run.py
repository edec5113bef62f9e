"""``run_sandbox`` from start to Ctrl-C, and the ways in which a bot can fail it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest
from sandbox_toy import TOY

from bot.sandbox.run import run_sandbox


async def start(script: list[str], api_url: str, token: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *script,
        env={**os.environ, "DISCORD_API_URL": api_url, "DISCORD_TOKEN": token},
        stderr=asyncio.subprocess.DEVNULL,
    )


async def until(said: list[str], text: str) -> str:
    async with asyncio.timeout(20):
        while not (found := [one for one in said if text in one]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found[0]


async def test_it_serves_a_page_with_a_first_picture_until_it_is_cancelled(
    tmp_path: Path, png: bytes
) -> None:
    picture = tmp_path / "first.png"
    picture.write_bytes(png)
    said: list[str] = []
    started: list[asyncio.subprocess.Process] = []

    async def bot(api_url: str, token: str) -> asyncio.subprocess.Process:
        started.append(await start([str(TOY)], api_url, token))
        return started[-1]

    async def second() -> asyncio.subprocess.Process:
        async with asyncio.timeout(20):
            while len(started) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return started[1]

    flag = "slow route='PATCH *' seconds=0.05"
    running = asyncio.create_task(run_sandbox(None, flag, bot, picture=picture, say=said.append))
    page = (await until(said, "The page: ")).split("The page: ")[1].split()[0]
    async with aiohttp.ClientSession() as session, session.get(page) as response:
        assert response.status == 200
    assert any("ada asked for" in one for one in said)
    assert any("Weather: slow" in one for one in said)

    started[0].kill()
    await until(said, "The bot has ended with status -9")
    await until(said, f"The bot has started as process {(await second()).pid}")
    assert not running.done()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_bot_that_dies_at_once_ends_it() -> None:
    said: list[str] = []

    async def bot(api_url: str, token: str) -> asyncio.subprocess.Process:
        return await start(["-c", "raise SystemExit(3)"], api_url, token)

    await asyncio.wait_for(run_sandbox(None, None, bot, say=said.append), 20)
    assert said[-1] == "The bot has ended with status 3."
