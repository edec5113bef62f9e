"""`python -m bot` in its own process, started, stopped and watched from outside."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bot.sandbox.modes import environment_of
from bot.sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS = 180.0, 30.0
GLANCE = 0.02
PAGES = re.compile(r"owner's pages are at (http://\S+)")


class RealBot:
    """The bot against a sandbox, with a home that outlives its processes.

    model: a diffusers folder; models below `home / "models"` are offered besides.
    """

    def __init__(self, sandbox: Sandbox, home: Path, model: Path | str) -> None:
        self.sandbox = sandbox
        self.home = home
        self._model = str(model)
        self._log = home.with_name(f"{home.name}.log")
        self._process: asyncio.subprocess.Process | None = None
        self._read_from = 0

    @property
    def log(self) -> str:
        """What all of its processes wrote so far."""
        return self._log.read_text("utf-8") if self._log.exists() else ""

    async def start(self) -> None:
        """Until it is connected, with its commands registered."""
        own = {
            **environment_of(self.home),
            "MODEL": self._model,
            "DEVICE": "cpu",
            "WEB_PORT": "0",
            "OMP_NUM_THREADS": "1",
        }
        environment = {**os.environ, **own, **self.sandbox.environment}
        self._read_from = len(self.log)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        ready = asyncio.ensure_future(self.sandbox.wait_ready(START_SECONDS))
        death = asyncio.ensure_future(self._process.wait())
        await asyncio.wait({ready, death}, return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        if not ready.done():
            ready.cancel()
            raise AssertionError(f"The bot ended at its start:\n{self.log[-3000:]}")
        await ready

    async def warm(self) -> None:
        """Until its engine has loaded the model, by its own page of health."""
        url = await until(self._pages, START_SECONDS, "the owner's pages are served")
        async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
            while (health := await _json(session, f"{url}/health"))["engine"] != "ready":
                assert health["problem"] is None, health
                await asyncio.sleep(5 * GLANCE)

    def _pages(self) -> str | None:
        match = PAGES.search(self.log, self._read_from)
        return match and match[1]

    async def stop(self) -> None:
        """As a service manager does; it must end by itself, and say that all is well."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                status = await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise AssertionError(f"The bot does not stop:\n{self.log[-3000:]}") from None
        await self._forgotten()
        assert status == 0, f"The bot ended with {status}:\n{self.log[-3000:]}"

    async def kill(self) -> None:
        """As the kernel does."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        await self._forgotten()

    async def _forgotten(self) -> None:
        self._process = None
        await self.sandbox.until(
            lambda: not self.sandbox.gateway.connected, STOP_SECONDS, "its connection ends"
        )

    @property
    def runs(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def engine(self) -> psutil.Process:
        """The engine's process."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        (found,) = [one for one in children if "inference.executors.worker" in one.cmdline()]
        return found

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Its engine stands still: what runs keeps running, and what waits keeps waiting."""
        engine = self.engine()
        engine.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                engine.send_signal(signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def slowed(self) -> AsyncIterator[None]:
        """Its engine runs a tenth of the time, so that a job is watched on a fast machine too."""

        async def hold() -> None:
            while True:
                with self.frozen():
                    await asyncio.sleep(9 * GLANCE)
                await asyncio.sleep(GLANCE)

        holding = asyncio.create_task(hold())
        try:
            yield
        finally:
            holding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await holding

    # ------------------------------------------------------------ the job log

    def rows(self, condition: str = "1") -> list[dict[str, Any]]:
        """The job log's rows, oldest first; `recipe` is read from its JSON."""
        uri = f"file:{self.home / 'palimpsest.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            query = f"SELECT * FROM jobs WHERE {condition} ORDER BY id"
            found = [dict(row) for row in connection.execute(query)]
        for row in found:
            row["recipe"] = json.loads(row["recipe"])
        return found

    def row(self, job_id: int) -> dict[str, Any]:
        """One job's row."""
        (found,) = self.rows(f"id = {job_id}")
        return found

    async def becomes(self, job_id: int, **values: Any) -> dict[str, Any]:
        """The job's row, once it has these values."""

        def fits() -> dict[str, Any] | None:
            row = self.row(job_id)
            return row if all(row[name] == value for name, value in values.items()) else None

        return await until(fits, 120, f"job {job_id} has {values}; it has {self.row(job_id)}")


async def until(find: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first truthy answer. For what another process does, of which nobody is told."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := find()):  # noqa: ASYNC110
                await asyncio.sleep(GLANCE)
    except TimeoutError:
        raise TimeoutError(f"{what}: not within {seconds:g} s") from None
    return found


async def _json(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as response:
        return dict(await response.json())


@contextlib.asynccontextmanager
async def running(sandbox: Sandbox, home: Path, model: Path | str) -> AsyncIterator[RealBot]:
    """A bot with its engine ready, stopped in the orderly way at the end of the block."""
    bot = RealBot(sandbox, home, model)
    try:
        await bot.start()
        await bot.warm()
        yield bot
        if bot.runs:
            await bot.stop()
    finally:
        if bot.runs:
            await bot.kill()
