"""How far a job is, in words: a bar of text, and how long it will still take."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from inference.result import Progress

BAR_WIDTH = 14
FULL, EMPTY = "▰", "▱"
STAMP_SECONDS = 10


def bar(step: int, steps: int, width: int = BAR_WIDTH) -> str:
    """For example ``▰▰▰▰▰▰▰▱▱▱▱▱▱▱ 50 %``; full only when all steps are done."""
    share = step / steps if steps else 1.0
    full = int(width * share)
    return f"{FULL * full}{EMPTY * (width - full)} {int(100 * share)} %"


def duration(seconds: float) -> str:
    """About how long, as people say it: ``a few seconds``, ``25 s``, ``3 min``, ``1 h 10 min``."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 55:
        return f"{_round_up(seconds, 5)} s"
    minutes = _round_up(seconds, 60) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def moment(seconds: float, *, now: datetime | None = None) -> str:
    """A moment so many seconds ahead, which Discord shows as "in 40 seconds" and keeps current.

    Rounded up to 10 s, so that an unchanged forecast makes an unchanged card.
    """
    then = (now or datetime.now(UTC)) + timedelta(seconds=seconds)
    return f"<t:{_round_up(then.timestamp(), STAMP_SECONDS)}:R>"


def _round_up(value: float, unit: int) -> int:
    return -int(-value // unit) * unit


class Pace:
    """Measures how fast a job advances, to say when it will be done.

    clock: monotonic, seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, Progress] | None = None

    def note(self, progress: Progress) -> None:
        """Takes the newest progress. One that goes backwards starts the measurement again."""
        now = self._clock()
        if self._first is None or progress.step < self._first[1]:
            self._first = (now, progress.step)
        self._last = (now, progress)

    def left(self) -> float | None:
        """Seconds until the last step, ≥ 0; None until two steps were seen."""
        if self._first is None or self._last is None:
            return None
        (began, first), (last, progress) = self._first, self._last
        if progress.step == first:
            return None
        seconds_a_step = (last - began) / (progress.step - first)
        ends = last + (progress.steps - progress.step) * seconds_a_step
        return max(0.0, ends - self._clock())
