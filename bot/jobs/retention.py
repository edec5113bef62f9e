"""Keeps the pictures within their age and size, and forgets tokens that are of no use."""

import asyncio
import logging
from datetime import timedelta

from bot.storage.images import ImageStore
from bot.storage.outbox import Outbox

log = logging.getLogger(__name__)


class Retention:
    """Sweeps at the start and then once every interval.

    max_age, max_bytes: of the kept pictures; what unfinished or undelivered jobs need stays.
    """

    def __init__(
        self,
        *,
        images: ImageStore,
        outbox: Outbox,
        max_age: timedelta,
        max_bytes: int,
        interval: timedelta = timedelta(minutes=15),
    ) -> None:
        self._images = images
        self._outbox = outbox
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._interval = interval

    async def run(self) -> None:
        """Sweeps until it is cancelled. A full or failing disk is logged and tried again."""
        while True:
            try:
                await self._outbox.forget_expired_tokens()
                removed = await self._images.sweep(max_age=self._max_age, max_bytes=self._max_bytes)
            except OSError:
                log.exception("The pictures could not be swept; trying again later")
            else:
                if removed:
                    log.info("%d pictures are no longer kept", removed)
            await asyncio.sleep(self._interval.total_seconds())
