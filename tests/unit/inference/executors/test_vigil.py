"""When a process is given up, in rounds."""

import pytest

from inference.executors.messages import Alive, Loading
from inference.executors.vigil import Timing, Vigil

TIMING = Timing(heartbeat=1, boot=10, silence=3, stall=5, backoff=1, longest_backoff=8)


def rounds(vigil: Vigil, count: int, message: Alive | None = None) -> str | None:
    reason = None
    for _ in range(count):
        if message is not None:
            vigil.hear(message)
        reason = reason or vigil.round()
    return reason


def test_before_the_first_word_there_is_time_to_boot() -> None:
    vigil = Vigil(TIMING)
    assert rounds(vigil, 10) is None
    assert rounds(vigil, 1) == "it gave no sign of life for 10 s"


def test_silence_ends_it_and_any_word_breaks_it() -> None:
    vigil = Vigil(TIMING)
    vigil.hear(Loading())
    assert rounds(vigil, 3) is None
    vigil.hear(Loading())
    assert rounds(vigil, 3) is None
    assert rounds(vigil, 1) == "it gave no sign of life for 3 s"


def test_a_step_that_never_ends_is_noticed_though_the_heart_beats() -> None:
    vigil = Vigil(TIMING)
    assert rounds(vigil, 5, Alive(ticks=7, busy=True)) is None
    assert rounds(vigil, 1, Alive(ticks=7, busy=True)) == "it was stuck in one step for 5 s"


def test_steps_that_end_and_idleness_are_no_stall() -> None:
    vigil = Vigil(TIMING)
    for tick in range(20):
        assert rounds(vigil, 3, Alive(ticks=tick, busy=True)) is None
    assert rounds(vigil, 20, Alive(ticks=20, busy=False)) is None


@pytest.mark.parametrize(("deaths", "pause"), [(1, 0), (2, 1), (3, 2), (5, 8), (5000, 8)])
def test_the_pause_doubles_up_to_a_limit(deaths: int, pause: float) -> None:
    assert TIMING.pause(deaths) == pause
