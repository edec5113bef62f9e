"""``Sandbox``: the world, its people and its weather, served on one loopback port."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from aiohttp import web
from simcord.backend.models import Message
from simcord.builders import ChannelHandle

from bot.sandbox import lookups, wire, world
from bot.sandbox.changes import Changes
from bot.sandbox.front import Front, Request
from bot.sandbox.gateway import Gateway
from bot.sandbox.members import Member
from bot.sandbox.posts import Post, post_of
from bot.sandbox.simcord_host import Host
from bot.sandbox.weather import Weather

T = TypeVar("T")

TOKEN = "sandbox.not-a-secret.token"
DAY = 24 * 60 * 60.0


class Sandbox:
    """``async with Sandbox() as sandbox:`` and point a bot at ``sandbox.environment``.

    ``privileged_intents`` says whether the portal's three switches are on. They are off by
    default: a bot that asks for one of them is turned away, and reads no strangers' messages.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        token: str = TOKEN,
        privileged_intents: bool = False,
        attachment_lifetime: float = DAY,
    ) -> None:
        self.token = token
        self.port = port or 0
        self.changes = Changes()
        self.host = Host(self.changes, world.BOT_NAME)
        self.addresses = wire.SignedAddresses(attachment_lifetime)
        self.polish = wire.Polish(self.addresses)
        self.polish.story = lambda one: self.polish(lookups.story_of(self.host, one))
        self.world = world.build(self.host, self.polish)
        self.gateway = Gateway(
            self.host,
            self.changes,
            token=token,
            privileged_intents=privileged_intents,
            polish=self.polish,
        )
        self.host.has_bot = lambda: self.gateway.connected
        self.weather = Weather(self.host, self.gateway, self.addresses)
        self.front = Front(
            host=self.host,
            changes=self.changes,
            gateway=self.gateway,
            weather=self.weather,
            polish=self.polish,
            addresses=self.addresses,
            token=token,
            message_content=privileged_intents,
        )
        self._seen: dict[int, tuple[int, Post]] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Sandbox:
        runner = web.AppRunner(self.front.application(), shutdown_timeout=0.5, access_log=None)
        self._runner = runner
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = int(runner.addresses[0][1])
        self.addresses.base = self.url
        self.gateway.url = f"ws://127.0.0.1:{self.port}/gateway"
        self.host.open(self.addresses.address, wire.measure)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.weather.clear()
        await self.gateway.drop(1001)
        if self._runner is not None:
            await self._runner.cleanup()
        with contextlib.suppress(Exception):
            await self.host._run_pre_shutdown()

    # ------------------------------------------------------------ addresses

    @property
    def url(self) -> str:
        """The server's address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """What takes the place of ``https://discord.com/api/v10``."""
        return f"{self.url}/api/v10"

    @property
    def environment(self) -> dict[str, str]:
        """What a bot needs in its environment to come here instead of to Discord."""
        return {"DISCORD_API_URL": self.api_url, "DISCORD_TOKEN": self.token}

    # ----------------------------------------------------------- the people

    def member(self, name: str, guild: str = "atelier") -> Member:
        """``ada``, ``mo``, ``iris`` or ``jun``, in ``atelier`` or ``salon``."""
        return Member(self, self.world.guild(guild).members[name])

    # ---------------------------------------------------------- observation

    @property
    def requests(self) -> list[Request]:
        """Every HTTP request of the bot so far, oldest first."""
        return list(self.front.requests)

    @property
    def troubles(self) -> list[str]:
        """What the bot asked for and this sandbox could not do; a test wants it empty."""
        return [one.trouble for one in self.front.requests if one.trouble is not None]

    def channel_by_id(self, channel_id: int) -> ChannelHandle:
        """A channel of the world by its id."""
        for guild in self.world.guilds:
            for channel in guild.channels.values():
                if channel.id == channel_id:
                    return channel
        raise KeyError(f"no channel {channel_id}")

    def posts(self, channel: ChannelHandle | str | None = None) -> list[Post]:
        """The messages of a channel, or of all of them, oldest first."""
        found = self.world.channel(channel) if isinstance(channel, str) else channel
        ids = [found.id] if found is not None else list(self.host.backend.channels)
        stored = [m for one in ids for m in lookups.stored_messages(self.host, one)]
        return [self._post(message) for message in sorted(stored, key=lambda m: m.id)]

    def find(self, message_id: int) -> Post | None:
        """A message as it stands now; None once it is deleted."""
        for messages in self.host.backend.messages.values():
            if (message := messages.get(message_id)) is not None:
                return self._post(message)
        self._seen.pop(message_id, None)
        return None

    def _post(self, message: Message) -> Post:
        touched = self.host.backend.touched.get(message.id, 0)
        known = self._seen.get(message.id)
        if known is None or known[0] != touched:
            known = self._seen[message.id] = (touched, post_of(self.host, message))
        return known[1]

    async def until(self, find: Callable[[], T | None], timeout: float, what: str) -> T:
        """The first truthy answer of ``find``, asked again at every change."""
        return await self.changes.until(find, timeout, what)

    async def wait_for(
        self,
        predicate: Callable[[Post], object],
        timeout: float = 30.0,
        *,
        channel: ChannelHandle | str | None = None,
        after: Post | None = None,
        what: str = "a message",
    ) -> Post:
        """The oldest message, there already or still to come, that satisfies ``predicate``.

        ``after`` passes over everything that is not younger than a message.
        """
        wanted = self.world.channel(channel) if isinstance(channel, str) else channel
        touches = self.host.backend.touches
        looked = -1

        def fits(post: Post | None) -> bool:
            return bool(
                post is not None
                and (after is None or post.id > after.id)
                and (wanted is None or post.channel_id == wanted.id)
                and predicate(post)
            )

        def find() -> Post | None:
            """Look at everything the first time, then only at what was touched since."""
            nonlocal looked
            fresh = None if looked < 0 else sorted(set(touches[looked:]))
            looked = len(touches)
            posts = self.posts(wanted) if fresh is None else [self.find(one) for one in fresh]
            return next((post for post in posts if fits(post)), None)

        return await self.until(find, timeout, what)

    async def wait_connected(self, timeout: float = 30.0) -> None:
        """A bot has identified."""
        await self.until(lambda: self.gateway.connected, timeout, "the bot is connected")

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """A bot is connected, and has registered commands (which outlive a restart)."""
        commands = self.host.backend.commands
        await self.until(
            lambda: self.gateway.connected and any(commands.values()),
            timeout,
            "the bot is connected and its commands are registered",
        )
