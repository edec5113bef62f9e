"""Passes of the model, each within the memory there is, or known not to be."""

from collections.abc import Callable
from typing import TypeVar

from inference.engine.costs import Costs, Pass, Size
from inference.engine.memory import Memory
from inference.executors.reports import is_out_of_memory

MARGIN = 0.9
"""The share of the free memory that a forecast may use: allocators leave gaps."""

NEGLIGIBLE = 64 * 2**20
"""Bytes of a forecast below which it is not worth asking what is free."""

Result = TypeVar("Result")


class RanOut(Exception):
    """Memory did not suffice. It refers to nothing of the pass that failed, whose tensors
    would else stay alive."""


class Passes:
    """Runs them, and notes what they took.

    memory: of the device. costs: what is known of them.
    """

    def __init__(self, memory: Memory, costs: Costs) -> None:
        self._memory = memory
        self._costs = costs

    def fit(self, *wanted: tuple[Pass, int, Size]) -> bool:
        """Whether each of these passes, by itself, should fit what is free.

        A pass is its use, its rows or pictures, and their size.
        """
        most = max((self._costs.forecast(*each) for each in wanted), default=0)
        return most <= NEGLIGIBLE or most <= self._memory.free() * MARGIN

    def run(self, use: Pass, rows: int, size: Size, work: Callable[[], Result]) -> Result:
        """Does it. Raises RanOut, with all that it left in memory freed."""
        if self._memory.kills and not self.fit((use, rows, size)):
            raise RanOut(f"{use.value}: {rows} of {size} would not fit")
        if not self._costs.wants(use, rows, size):
            return self.guard(work)
        self._memory.watch()
        result = self.guard(work)
        peak = self._memory.peak()
        if peak is not None:
            self._costs.learn(use, rows, size, peak)
        return result

    def possible(self, use: Pass, rows: int, size: Size, work: Callable[[], object]) -> bool:
        """Whether it fits: tried where that harms nobody, else forecast."""
        if self._memory.kills:
            return self.fit((use, rows, size))
        try:
            self.run(use, rows, size, work)
        except RanOut:
            return False
        return True

    def guard(self, work: Callable[[], Result]) -> Result:
        """Does something that is no pass and takes little. Raises RanOut likewise."""
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error)
        # Out of the handler nothing refers to the error any more, nor to the frames it came from.
        self._memory.release()
        raise RanOut(reason)
