"""Points discord.py at any Discord-compatible server.

discord.py keeps its addresses in class attributes, so this holds for the whole process.
"""

import discord
import yarl
from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route

DISCORD_HOSTS = ("discord.com", "canary.discord.com", "ptb.discord.com")


def point_at(api_url: str) -> None:
    """Sends every REST call to `api_url`, e.g. ``http://127.0.0.1:8000/api/v10``.

    For a server that is not Discord, pictures such as avatars come from its root as well.
    """
    url = yarl.URL(api_url)
    Route.BASE = api_url.rstrip("/")
    if url.host not in DISCORD_HOSTS:
        Asset.BASE = str(url.origin())


async def adopt_gateway(client: discord.Client) -> None:
    """Asks a server that is not Discord where its gateway is; call it after login.

    The first connection asks by itself, but a session that cannot be resumed starts again at
    discord.py's default address, which must therefore be the server's own.

    Raises discord.HTTPException.
    """
    if yarl.URL(Route.BASE).host in DISCORD_HOSTS:
        return
    _shards, address, _limits = await client.http.get_bot_gateway()
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(address)
