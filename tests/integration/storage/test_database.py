"""Another process at the same file: waited for, and named when that takes too long."""

import sqlite3
from pathlib import Path

import pytest

from bot.storage import database
from bot.storage.database import DatabaseUnavailable
from tests.joblog import JobLog


async def test_a_database_locked_by_somebody_else_is_named_and_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    async with JobLog.open(tmp_path) as log:
        job = await log.queued()
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailable, match="locked"):
                await log.jobs.claim()
            assert (await log.jobs.get(job.id)).attempts == 0  # reading goes on
            other.execute("ROLLBACK")
        finally:
            other.close()
        claimed = await log.jobs.claim()
        assert claimed is not None and claimed.id == job.id
