"""Bounds how many deliveries go on at once, so that a slow channel holds up nobody else's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    room: asyncio.Semaphore
    users: int = field(default=0)


class Lanes:
    """Room for `total` deliveries, of which one channel takes `each` at most."""

    def __init__(self, *, total: int, each: int) -> None:
        self._total = asyncio.Semaphore(total)
        self._each = each
        self._lanes: dict[int, _Lane] = {}

    @contextlib.asynccontextmanager
    async def hold(self, channel_id: int) -> AsyncIterator[None]:
        """Waits for room and keeps it while inside."""
        lane = self._lanes.setdefault(channel_id, _Lane(asyncio.Semaphore(self._each)))
        lane.users += 1
        try:
            # The channel's own room first: who waits for it must not take the others'.
            async with lane.room, self._total:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[channel_id]
