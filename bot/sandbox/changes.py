"""One place where everything that happened is announced, so that nobody has to poll."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Changes:
    """Wakes whoever waits for the world to be different.

    Everything runs on one event loop, so checking a condition and then starting to wait cannot
    miss a change: nothing happens between the two.
    """

    def __init__(self) -> None:
        self.version = 0
        self.requests_in_flight = 0
        self.last_request = time.monotonic()
        self._waiters: set[asyncio.Future[None]] = set()

    def announce(self) -> None:
        """Something is different: wake everyone."""
        self.version += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def request_started(self) -> None:
        """A request of the bot has arrived."""
        self.requests_in_flight += 1

    def request_finished(self) -> None:
        """It has been answered, which may have changed anything."""
        self.requests_in_flight -= 1
        self.last_request = time.monotonic()
        self.announce()

    def quiet_since(self, moment: float, seconds: float) -> bool:
        """Whether the wire has been silent for ``seconds``, counted from ``moment`` at earliest."""
        last = max(moment, self.last_request)
        return self.requests_in_flight == 0 and time.monotonic() - last >= seconds

    async def next(self) -> None:
        """Wait for the next announcement."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def until(self, find: Callable[[], T | None], timeout: float, what: str) -> T:
        """The first truthy answer of ``find``, which is asked again after every change."""
        try:
            async with asyncio.timeout(timeout):
                while not (found := find()):
                    await self.next()
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {timeout:g} s") from None
        return found
