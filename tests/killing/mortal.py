"""``python -m tests.killing.mortal``: the bot, unchanged but for the point where it dies.

Before it dies for the first time it claims no job until the file `go` is there: so ten jobs are in
flight, however fast the machine paints.
"""

import asyncio
import functools
import sys
from typing import Any

from bot.__main__ import main
from bot.jobs.dispatcher import Dispatcher
from inference.executors.process import ProcessExecutor
from tests.killing.orders import STAYS, Orders, die
from tests.killing.points import trial
from tests.killing.wrapping import arm

POLL = 0.02


def run(orders: Orders) -> int:
    """Arms what the orders say and runs the bot."""
    _choose_engine(orders)
    if orders.label != STAYS:
        lives = trial(orders.label).lives
        if orders.life == 0:
            _wait_for_go(orders)
        if orders.life < len(lives):
            arm(lives[orders.life], functools.partial(die, orders.bot_mark))
    return main([])


def _wait_for_go(orders: Orders) -> None:
    fill = Dispatcher._fill

    async def patient(self: Dispatcher) -> None:
        while not orders.go.exists():  # noqa: ASYNC110  (made by another process)
            await asyncio.sleep(POLL)
        await fill(self)

    Dispatcher._fill = patient  # type: ignore[method-assign]


def _choose_engine(orders: Orders) -> None:
    """The engine's process is a mortal one too, or has another engine inside."""
    command = ProcessExecutor._command

    def chosen(self: Any) -> list[str]:
        words = command(self)
        if orders.label != STAYS and trial(orders.label).engine is not None:
            words[words.index("-m") + 1] = "tests.killing.mortal_engine"
        if orders.engine:
            words[words.index("--engine") + 1] = orders.engine
        return words

    ProcessExecutor._command = chosen  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(run(Orders.read()))
