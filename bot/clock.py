"""The time of day, passed in wherever it matters, so that tests need not wait for it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The real time, aware, in UTC."""
    return datetime.now(UTC)
