"""SimCord's own page, looking like Discord, kept fresh while jobs progress."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from types import TracebackType

from bot.sandbox import simcord_host
from bot.sandbox.server import Sandbox

log = logging.getLogger(__name__)

REFRESH_SECONDS = 0.4
"""No more often than this; the page itself asks twice a second."""


class Page:
    """``async with Page(sandbox, channel="studio") as page:`` and open ``page.url``.

    The address carries a secret: whoever has it may act as any of the viewers.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        channel: str = "studio",
        viewers: tuple[str, ...] = ("ada", "mo", "iris", "jun"),
        port: int | None = None,
    ) -> None:
        self._sandbox = sandbox
        guild = next(one for one in sandbox.world.guilds if channel in one.channels)
        self._preview = sandbox.host.preview(
            guild.channels[channel],
            viewers=[guild.members[name] for name in viewers],
            layout="channel",
            port=port,
        )
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address of the page, for a browser on this machine."""
        return str(self._preview.url)

    async def __aenter__(self) -> Page:
        simcord_host.follow_newest(self._preview)
        await self._preview.__aenter__()
        simcord_host.forgive_late_clicks(self._preview)
        self._refreshing = asyncio.create_task(self._keep_fresh())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refreshing
        await self._preview.close()

    async def _keep_fresh(self) -> None:
        seen = self._sandbox.changes.version
        while True:
            if self._sandbox.changes.version == seen:
                await self._sandbox.changes.next()
            began = time.monotonic()
            now = self._sandbox.changes.version
            try:
                if simcord_host.refresh_pages(self._preview):
                    seen = now
            except Exception:
                log.exception("The page could not be refreshed")
                seen = now
            # A page with many pictures takes longer to publish; leave the loop room besides.
            spent = time.monotonic() - began
            await asyncio.sleep(max(REFRESH_SECONDS, 4 * spent))
