"""``python -m bot sandbox``: the whole thing, running, with a page to look at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.sandbox import weather as forecast
from bot.sandbox.page import Page
from bot.sandbox.server import Sandbox

log = logging.getLogger(__name__)

StartBot = Callable[[str, str], Awaitable[asyncio.subprocess.Process]]
"""Starts the bot in its own process, given ``DISCORD_API_URL`` and ``DISCORD_TOKEN``."""

FIRST_PROMPT = "a watercolour with loose brush strokes"


async def run_sandbox(
    port: int | None,
    weather: str | None,
    start_bot: StartBot,
    *,
    picture: Path | None = None,
    prompt: str = FIRST_PROMPT,
    command: str = "reimagine",
    ready_timeout: float = 120.0,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the sandbox and its page, with a bot at work in it, until cancelled.

    ``port`` is the API's; the page takes the next one, or any free one.
    """
    later = forecast.parse(weather or "")
    async with Sandbox(port=port) as sandbox, Page(sandbox, port=port and port + 1) as page:
        say(f"The sandbox serves Discord's API at {sandbox.api_url}")
        keeper = _Keeper(sandbox, start_bot, say)
        try:
            if not await keeper.start(ready_timeout):
                return
            for name, values in later:
                await sandbox.weather.apply(name, values)
                say(f"Weather: {name} {values}")
            if picture is not None:
                await _post_first_picture(sandbox, picture, prompt, command, say)
            say(f"\nThe page: {page.url}\n\nCtrl-C ends it.")
            await keeper.keep(ready_timeout)
        finally:
            await keeper.stop()


class _Keeper:
    """Has one bot running: kill it, and it comes back to the same Discord."""

    def __init__(self, sandbox: Sandbox, start_bot: StartBot, say: Callable[[str], None]) -> None:
        self._sandbox = sandbox
        self._start_bot = start_bot
        self._say = say
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, timeout: float) -> bool:
        """Starts the bot; False if it ended before it was ready."""
        # A killed bot's connection may outlive it for a moment; a new one identifies itself.
        identified = self._sandbox.gateway.identified
        self._process = process = await self._start_bot(self._sandbox.api_url, self._sandbox.token)
        self._say(f"The bot has started as process {process.pid}.")

        async def ready() -> None:
            await self._sandbox.until(
                lambda: self._sandbox.gateway.identified > identified, timeout, "the bot connects"
            )
            await self._sandbox.wait_ready(timeout)

        waiting = asyncio.create_task(ready())
        death = asyncio.create_task(process.wait())
        await asyncio.wait({waiting, death}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            death.cancel()
            waiting.result()
            return True
        waiting.cancel()
        self._say_death(death.result())
        return False

    async def keep(self, timeout: float) -> None:
        """Starts the bot again whenever it ends; returns when one ends before it is ready."""
        while self._process is not None:
            self._say_death(await self._process.wait())
            if not await self.start(timeout):
                return

    async def stop(self) -> None:
        """Asks the bot to end, and ends it if it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _say_death(self, status: int) -> None:
        self._say(f"The bot has ended with status {status}.")


async def _post_first_picture(
    sandbox: Sandbox, picture: Path, prompt: str, command: str, say: Callable[[str], None]
) -> None:
    ada = sandbox.member("ada")
    options = {"image": picture, "prompt": prompt}
    asked = await ada.slash("studio", command, **options)
    try:
        await asked.ack()
        say(f"{ada.name} asked for {prompt!r}; the first picture is being painted.")
    except TimeoutError:
        say("The bot did not answer the first request within 3 s.")
