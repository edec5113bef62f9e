from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
from aiohttp.test_utils import TestServer
from delivery_discord import GUILD_ID, Discord
from delivery_studio import Studio
from discord.http import Route

from bot.discord_ui import courier
from bot.model import GuildPolicy
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker
from bot.storage.database import Database


@pytest.fixture
async def discord_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Discord]:
    server = Discord()
    async with TestServer(server.app()) as served:
        monkeypatch.setattr(Route, "BASE", str(served.make_url("")).rstrip("/"))
        yield server


@pytest.fixture
async def studio(
    tmp_path: Path, discord_server: Discord, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Studio]:
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.02)
    async with (
        Database.open(f"sqlite+aiosqlite:///{tmp_path}/jobs.db") as database,
        PictureWorker(PictureLimits(max_bytes=2**24, max_pixels=2**22)) as pictures,
        discord.Client(intents=discord.Intents.none()) as client,
    ):
        studio = Studio(database, tmp_path / "pictures", discord_server)
        studio.client, studio.pictures = client, pictures
        await client.login("token")
        await studio.service.set_policy(
            GuildPolicy(
                guild_id=GUILD_ID,
                member_queue=50,
                guild_queue=50,
                member_budget=1000.0,
                guild_budget=1000.0,
            )
        )
        yield studio
