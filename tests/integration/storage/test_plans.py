"""What is asked often reads few rows, however long the job log has become."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from bot.storage.statistics import Statistics
from bot.storage.usage import Backlogs
from tests.joblog import JobLog


@contextmanager
def _asked() -> Iterator[list[tuple[str, Any]]]:
    """Every statement meanwhile, with its parameters."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def _plans(log: JobLog, statements: list[tuple[str, Any]]) -> list[str]:
    assert statements
    async with log.database.read() as connection:
        return [
            row.detail
            for statement, parameters in statements
            for row in await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
        ]


async def test_the_line_and_how_fast_it_moves_are_found_by_indexes(log: JobLog) -> None:
    await log.queued()
    with _asked() as statements:
        await log.line.snapshot()
    plans = await _plans(log, statements)
    assert "SEARCH jobs USING INDEX ix_jobs_status_finished_at (status=?)" in plans
    assert not [plan for plan in plans if plan.startswith("SCAN") or "TEMP B-TREE" in plan]


@pytest.mark.parametrize("before", [None, 2])
async def test_the_newest_pictures_are_read_newest_first(log: JobLog, before: int | None) -> None:
    first, second = [await log.done(shade=shade) for shade in (1, 2)]
    with _asked() as statements:
        found = await Statistics(log.database).latest(5, before)
    assert found == ([first] if before else [second, first])
    assert not [plan for plan in await _plans(log, statements) if "TEMP B-TREE" in plan]


@pytest.mark.parametrize("guilds", [1, 2, 3, 10])
async def test_backlogs_are_counted_from_an_index_alone(log: JobLog, guilds: int) -> None:
    with _asked() as statements:
        async with log.database.read() as connection:
            await Backlogs.read(connection, range(1, guilds + 1))
    (plan,) = await _plans(log, statements)
    index = "ix_jobs_status_guild_id_user_id"
    assert plan == f"SEARCH jobs USING COVERING INDEX {index} (status=? AND guild_id=?)"
