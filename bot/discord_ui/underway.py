"""What is being done for members now, and how a stop ends it."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any


class Underway:
    """The tasks that do something for members.

    A row that is RECEIVED when they are cut off is for the next run. If they went on while the
    bot closes, the member would be told that the picture cannot be fetched.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Around what the current task does for a member."""
        task = asyncio.current_task()
        if task is None or self._stopping:
            raise asyncio.CancelledError
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Does this beside, in a task of its own."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Ends everything, before what it uses is closed."""
        self._stopping = True
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
