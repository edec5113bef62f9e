"""``python -m tests.killing.mortal_engine``: the engine's process; the first one dies at its point.

Those that replace it find its mark and live.
"""

import functools
import sys

from inference.executors.worker import main
from tests.killing.orders import Orders, die
from tests.killing.points import trial
from tests.killing.wrapping import arm


def run(orders: Orders) -> int:
    """Arms what the orders say and serves."""
    death = trial(orders.label).engine
    if death is not None and not orders.engine_mark.exists():
        arm(death, functools.partial(die, orders.engine_mark))
    return main()


if __name__ == "__main__":
    sys.exit(run(Orders.read()))
