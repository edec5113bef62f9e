"""From times to figures, tables and aims."""

import pytest

from tests.benchmarks.engine.aims import aims_table, at_least, at_most
from tests.benchmarks.engine.alone import Alone
from tests.benchmarks.engine.measures import JobTime, Run, summarise
from tests.benchmarks.engine.table import arms_table, number
from tests.benchmarks.engine.traces import Wish, request_of


def run(*totals: float, calls: int = 10, memory: int | None = None) -> Run:
    """Jobs that come together, wait for half of the time and take so many seconds in all."""
    jobs = (
        JobTime(number=number, arrived=1.0, started=1.0 + total / 2, finished=1.0 + total)
        for number, total in enumerate(totals)
    )
    return Run(jobs=tuple(jobs), calls=calls, rows=2 * calls, memory=memory)


def test_speed_counts_from_the_first_arrival_to_the_last_picture() -> None:
    assert run(1.0, 4.0).speed == 0.5


def test_figures_are_over_all_rounds_and_the_gain_is_the_median_of_theirs() -> None:
    own = [run(1.0, 2.0, memory=5), run(1.0, 1.0, memory=7), run(1.0, 8.0)]
    first = [run(1.0, 4.0), run(1.0, 3.0), run(1.0, 4.0)]
    found = summarise(own, first, lambda number, job: 1.5)
    assert found.gain == 2.0
    assert found.speed == pytest.approx(6 / 11)
    assert (found.calls, found.rows) == (30, 60)
    assert found.total == pytest.approx((1.0, 6.5))
    assert found.queued == pytest.approx((0.5, 3.25))
    assert found.goodput == pytest.approx(4 / 11)
    assert found.in_time == pytest.approx(4 / 6)
    assert found.memory == 7


def test_the_deadline_is_each_job_s_own() -> None:
    rounds = [run(1.0, 5.0), run(1.0, 5.0)]
    found = summarise(rounds, rounds, lambda number, job: 5.0 if (number, job) == (1, 1) else 0.5)
    assert found.in_time == 0.25


def test_an_unloaded_time_lies_between_those_that_were_measured() -> None:
    times = Alone(
        points={((64, 64), True): ((6, 1.0), (26, 5.0)), ((64, 64), False): ((6, 2.0),) * 2}
    )
    wish = Wish(size=(64, 64), steps=20, strength=0.8, guidance=5.0)
    assert times.seconds(request_of(wish, seed=0)) == pytest.approx(3.0)
    plain = request_of(wish, seed=0).change(guidance=1.0)
    assert times.seconds(plain) == 2.0


def test_the_table_has_a_row_for_each_arm_and_a_cell_for_each_head() -> None:
    slow, fast = run(4.0, calls=20, memory=2**20), run(1.0, calls=5)
    figures = {
        "slow": summarise([slow], [slow], lambda number, job: 9.0),
        "fast": summarise([fast], [slow], lambda number, job: 0.5),
    }
    head, rule, *rows = arms_table(figures).splitlines()
    assert len({line.count("|") for line in (head, rule, *rows)}) == 1
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in rows]
    assert cells[0][:5] == ["slow", "0.250", "1.00", "20", "1.00"]
    assert cells[1][:5] == ["fast", "1.00", "4.00", "5", "0.25"]
    assert cells[0][-2:] == ["0.250 (100%)", "1 MiB"]
    assert cells[1][-2:] == ["0.000 (0%)", "–"]


def test_an_aim_is_met_by_the_figure_itself_not_by_what_is_printed() -> None:
    close = at_least("speed", 1.4999, 1.5)
    assert not close.met
    assert aims_table([close]).splitlines()[-1] == "| speed | ≥ 1.5 | 1.50 | **no** |"
    assert at_least("speed", 1.5, 1.5).met
    assert at_most("calls", 0.4, 0.4).met
    assert not at_most("calls", 0.4001, 0.4).met


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1234")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
