"""How late the event loop is: the one figure that shows whether something blocks it."""

import asyncio
from collections import deque

EVERY = 0.05
KEPT = 60.0


class LoopLag:
    """Sleeps in short steps and keeps by how much each sleep was too long; seconds."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=int(KEPT / EVERY))

    @property
    def recent(self) -> tuple[float, ...]:
        """The samples of about the last minute, oldest first."""
        return tuple(self._late)

    async def run(self) -> None:
        """Measures until it is cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await asyncio.sleep(EVERY)
            self._late.append(max(0.0, clock() - began - EVERY))
