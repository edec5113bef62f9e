from datetime import UTC, datetime

import pytest

from bot.discord_ui.progress import Pace, bar, duration, moment
from inference.result import Progress


@pytest.mark.parametrize(
    ("step", "steps", "shown"),
    [
        (0, 12, "▱▱▱▱ 0 %"),
        (6, 12, "▰▰▱▱ 50 %"),
        (11, 12, "▰▰▰▱ 91 %"),
        (12, 12, "▰▰▰▰ 100 %"),
        (0, 0, "▰▰▰▰ 100 %"),  # strength 0: nothing to run
        (1, 1, "▰▰▰▰ 100 %"),
    ],
)
def test_the_bar_is_full_only_at_the_end(step: int, steps: int, shown: str) -> None:
    assert bar(step, steps, width=4) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (4.9, "a few seconds"),
        (5, "5 s"),
        (31, "35 s"),
        (54.9, "55 s"),
        (55, "1 min"),
        (61, "2 min"),
        (3540, "59 min"),
        (3601, "1 h 1 min"),
        (7200, "2 h 0 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_moment_is_rounded_up_so_that_it_stays_the_same() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    stamp = int(now.timestamp())
    assert moment(31, now=now) == f"<t:{stamp + 40}:R>"
    assert moment(40, now=now) == f"<t:{stamp + 40}:R>"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_is_measured_from_the_steps_seen() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.left() is None
    pace.note(Progress(step=2, steps=12))
    assert pace.left() is None  # one point is no pace
    clock.now += 4
    pace.note(Progress(step=4, steps=12))
    assert pace.left() == pytest.approx(16)
    clock.now += 6
    assert pace.left() == pytest.approx(10)  # time goes on without news
    clock.now += 60
    assert pace.left() == 0


def test_a_job_that_begins_again_is_measured_again() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.note(Progress(step=5, steps=10))
    clock.now += 5
    pace.note(Progress(step=1, steps=10))
    assert pace.left() is None
    clock.now += 1
    pace.note(Progress(step=2, steps=10))
    assert pace.left() == pytest.approx(8)
