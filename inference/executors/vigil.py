"""When a process that still runs has to be given up."""

from dataclasses import dataclass

from inference.executors.messages import Alive, Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How patient a `ProcessExecutor` is; all in seconds.

    heartbeat: between two signs of life.
    boot: until the first one, while Python starts on a loaded machine.
    silence: without any sign of life; importing and loading may hold it up for long.
    stall: within one step. A large model on a CPU takes minutes for one.
    grace: that a process has to end by itself before it is killed.
    backoff, longest_backoff: pause before the second replacement in a row, doubled with each
        further one; the first one starts at once.
    """

    heartbeat: float = 1.0
    boot: float = 60.0
    silence: float = 60.0
    stall: float = 900.0
    grace: float = 3.0
    backoff: float = 1.0
    longest_backoff: float = 60.0

    def pause(self, deaths: int) -> float:
        """Seconds to wait after this many deaths in a row, at least one."""
        if deaths == 1:
            return 0.0
        return min(self.backoff * 2.0 ** min(deaths - 2, 30), self.longest_backoff)


class Vigil:
    """Counts rounds without news. Rounds, not time: if the bot itself was stopped for an hour,
    the signs of life still lie unread in the pipe."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._heard = False
        self._silent_rounds = 0
        self._stalled_rounds = 0
        self._ticks = 0
        self._busy = False

    def hear(self, message: Message) -> None:
        """Every message is a sign of life."""
        self._heard = True
        self._silent_rounds = 0
        if isinstance(message, Alive):
            if message.ticks != self._ticks or not message.busy:
                self._stalled_rounds = 0
            self._ticks, self._busy = message.ticks, message.busy

    def round(self) -> str | None:
        """To be called once per heartbeat; why the process must be killed, or None."""
        self._silent_rounds += 1
        self._stalled_rounds += self._busy
        patience = self._timing.silence if self._heard else self._timing.boot
        if self._silent_rounds * self._timing.heartbeat > patience:
            return f"it gave no sign of life for {patience:g} s"
        if self._stalled_rounds * self._timing.heartbeat > self._timing.stall:
            return f"it was stuck in one step for {self._timing.stall:g} s"
        return None
