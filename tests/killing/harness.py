"""One chain of trials: a sandbox and a job log that go on, bots that die and are started again."""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import psutil

from bot.model import GuildPolicy
from bot.sandbox.members import Interaction
from bot.sandbox.modes import environment_of
from bot.sandbox.server import Sandbox
from bot.storage.database import Database
from bot.storage.policies import PolicyStore
from tests.killing.crowd import DICE, JOBS, Cards, Crowd
from tests.killing.joblog import JobLog
from tests.killing.orders import STAYS, Orders, times_of_death
from tests.killing.trial import Trial, Weather
from tests.killing.verdict import Verdict, judge

ROOT = Path(__file__).parents[2]
PAINTER = "tests.killing.painter:load"
START_SECONDS, DEATH_SECONDS, SETTLE_SECONDS = 180.0, 180.0, 240.0
QUIET_SECONDS = 0.5
ORPHAN_SECONDS = 15.0
LOOK_SECONDS = 0.1
LOST_WHILE_ASKING = {
    Weather.LOST_DEFER: "POST /interactions/*/callback",
    Weather.LOST_ASK: "POST /channels/*/messages",
}
LOST_AFTERWARDS = {
    Weather.LOST_EDIT: "PATCH /webhooks/*",
    Weather.LOST_POST: "POST /channels/*/messages",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """killed: seconds from the first request to the first death; None where none happened.

    log: what the bots of the chain wrote so far, where something was wrong.
    """

    trial: Trial
    verdict: Verdict
    killed: float | None
    seconds: float
    log: str = ""


class Chain:
    """Runs trials one after another on one sandbox and one home.

    model: the folder that is MODEL. engine: in place of the product's own, or "" for that.
    """

    def __init__(self, sandbox: Sandbox, home: Path, *, model: Path, engine: str) -> None:
        self._sandbox = sandbox
        self._home = home
        self._model = model
        self._engine = engine
        self._log = JobLog(home / "palimpsest.db")
        self._crowd = Crowd(sandbox)
        self._cards: Cards | None = None
        self._output = (home / "bots.log").open("ab")

    @classmethod
    @asynccontextmanager
    async def open(cls, *, model: Path, engine: str = PAINTER) -> AsyncIterator[Self]:
        """A chain in a folder of its own. One at a time: Alembic is not made for threads."""
        async with Sandbox() as sandbox:
            with tempfile.TemporaryDirectory(prefix="killing-") as home:
                chain = cls(sandbox, Path(home), model=model, engine=engine)
                await chain._be_generous()
                try:
                    yield chain
                finally:
                    chain._output.close()

    async def run(self, trial: Trial) -> Outcome:
        """The trial and its verdict."""
        if self._cards is None:
            async with self._bot(
                Orders(label=STAYS, life=0, folder=self._home, engine=self._engine)
            ):
                self._cards = await self._crowd.prepare()
                await self._settled()
        folder = Path(tempfile.mkdtemp(dir=self._home))
        before, newest = self._log.last(), max(post.id for post in self._sandbox.posts())
        began = time.time()
        asked: list[Interaction] = []
        try:
            faults = await self._lives(trial, folder, asked)
        except TimeoutError as error:
            faults = [str(error)]
        posts = [post for post in self._sandbox.posts() if post.id > newest]
        verdict = judge(asked, self._log.rows(after=before), posts, dice=DICE)
        faults += verdict.faults
        deaths = times_of_death(folder)
        first = min((one.began for one in asked), default=began)
        return Outcome(
            trial=trial,
            verdict=Verdict(
                acknowledged=verdict.acknowledged,
                once=verdict.once,
                twice=verdict.twice,
                lost=verdict.lost,
                faults=tuple(faults),
            ),
            killed=deaths[0] - first if deaths else None,
            seconds=time.time() - began,
            log=Path(self._output.name).read_text() if faults else "",  # noqa: ASYNC240
        )

    async def _lives(self, trial: Trial, folder: Path, asked: list[Interaction]) -> list[str]:
        """The bot's lives up to the one in which everything is settled. Notes what is asked."""
        assert self._cards is not None
        faults: list[str] = []
        orders = [
            Orders(label=trial.label, life=life, folder=folder, engine=self._engine)
            for life in range(max(1, len(trial.lives)))
        ]
        for order in orders:
            async with self._bot(order) as process:
                if order.life == 0:
                    self._lose_answers(LOST_WHILE_ASKING, trial.weather)
                    before = self._log.last()
                    asked += await self._crowd.ask(self._cards, partial(self._patiently, process))
                    await self._all_queued(process, before)
                    if trial.weather.expires:
                        self._sandbox.weather.expire_token()
                    self._lose_answers(LOST_AFTERWARDS, trial.weather)
                    order.go.touch()
                if trial.lives:
                    faults += await self._death(process, order)
                else:
                    await self._until(order.engine_mark.exists, "the engine died", DEATH_SECONDS)
                    faults += await self._settled()
                    self._cards = await self._crowd.calm_down(self._cards)
            if trial.weather.forgets:
                self._sandbox.front.rules._nonces.clear()
        if trial.engine is not None and not orders[0].engine_mark.exists():
            faults.append("the engine did not die")
        if trial.lives:
            self._sandbox.weather.clear()
            stays = Orders(label=STAYS, life=0, folder=folder, engine=self._engine)
            async with self._bot(stays):
                faults += await self._settled()
                self._cards = await self._crowd.calm_down(self._cards)
        return faults

    async def _be_generous(self) -> None:
        """A chain is one long hour for its people: nobody may be told to wait."""
        async with Database.open(f"sqlite+aiosqlite:///{self._home / 'palimpsest.db'}") as database:
            for guild in self._sandbox.world.guilds:
                generous = GuildPolicy(guild_id=guild.id, member_budget=1e6, guild_budget=1e6)
                await PolicyStore(database).put(generous)

    def _lose_answers(self, lost: Mapping[Weather, str], weather: Weather) -> None:
        if weather in lost:
            times = 1 if weather is Weather.LOST_ASK else 100
            self._sandbox.weather.fail(lost[weather], status=503, times=times, after=True)

    async def _death(self, process: asyncio.subprocess.Process, order: Orders) -> list[str]:
        """Waits for the death at the point; what else happened, where it did."""
        try:
            async with asyncio.timeout(DEATH_SECONDS):
                await process.wait()
        except TimeoutError:
            return [f"life {order.life}: the point was not reached"]
        if not order.bot_mark.exists():
            return [f"life {order.life}: the bot ended by itself with {process.returncode}"]
        return []

    async def _all_queued(self, process: asyncio.subprocess.Process, before: int) -> None:
        """Until no job waits for its picture, or the bot is dead."""

        def queued() -> bool:
            rows = self._log.rows(after=before)
            return len(rows) == JOBS and all(row.status != "received" for row in rows)

        await self._patiently(process, queued)

    async def _patiently(
        self, process: asyncio.subprocess.Process, condition: Callable[[], bool]
    ) -> None:
        """Until it is so, or the bot is dead."""
        await self._until(
            lambda: process.returncode is not None or condition(), "the bot answers", DEATH_SECONDS
        )

    async def _settled(self) -> list[str]:
        """Until nothing is left to be told and the wire is quiet."""

        def settled() -> bool:
            return all(row.delivery != "pending" for row in self._log.rows())

        try:
            await self._until(settled, "everything is delivered", SETTLE_SECONDS)
        except TimeoutError as error:
            return [str(error)]
        now = time.monotonic()
        changes = self._sandbox.changes
        await self._until(lambda: changes.quiet_since(now, QUIET_SECONDS), "the wire is quiet", 60)
        return []

    @asynccontextmanager
    async def _bot(self, orders: Orders) -> AsyncIterator[asyncio.subprocess.Process]:
        """A connected bot, killed at the end where it has not died by itself."""
        ordinary = orders.label == STAYS and not self._engine
        module = "bot" if ordinary else "tests.killing.mortal"
        own = {
            **environment_of(self._home),
            "MODEL": str(self._model),
            "DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }
        connections = self._sandbox.gateway.identified
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            cwd=ROOT,
            env={**os.environ, **own, **self._sandbox.environment, **orders.environment},
            stdout=self._output,
            stderr=self._output,
        )

        def connected() -> bool:
            return process.returncode is not None or (
                self._sandbox.gateway.identified > connections and self._sandbox.gateway.connected
            )

        try:
            await self._until(connected, "the bot is connected", START_SECONDS)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await self._until(lambda: not self._sandbox.gateway.connected, "it is gone", 60)
            await self._until(lambda: not self._orphans(), "its processes are gone", ORPHAN_SECONDS)

    def _orphans(self) -> list[psutil.Process]:
        """What lives in this chain's home: nothing of a bot may outlive it."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PALIMPSEST_HOME") == str(self._home):
                    found.append(process)
        return found

    @staticmethod
    async def _until(condition: Callable[[], object], what: str, timeout: float) -> None:
        """Looks again and again: what it waits for happens in other processes."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {timeout:g} s") from None
