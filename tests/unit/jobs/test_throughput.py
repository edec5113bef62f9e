"""Throughput from finished jobs, also where they ran at once."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.storage.line import throughput

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _job(cost: float, begin: float, end: float) -> tuple[float, datetime, float]:
    return cost, NOON + timedelta(seconds=end), end - begin


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], None),
        ([_job(5, 0, 0)], None),
        ([_job(10, 0, 5)], 2),
        ([_job(10, 0, 5), _job(10, 100, 105)], 2),  # idle time does not count
        ([_job(10, 0, 5), _job(10, 0, 5)], 4),  # side by side
        ([_job(10, 3, 10), _job(10, 0, 5), _job(10, 1, 2)], 3),  # overlapping, in any order
    ],
)
def test_cost_per_busy_second(
    jobs: list[tuple[float, datetime, float]], expected: float | None
) -> None:
    assert throughput(jobs) == expected
