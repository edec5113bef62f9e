"""The periodic sweep."""

import asyncio
from datetime import timedelta

import pytest

from bot.errors import Gone
from bot.jobs.retention import Retention
from tests.joblog import JobLog, png


async def _gone(log: JobLog, sha: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await log.images.get(sha)
            except Gone:
                return
            await asyncio.sleep(0.005)


async def test_it_sweeps_at_once_and_again_and_survives_a_bad_disk(
    log: JobLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = await log.received()
    first = await log.images.put(png(1), role="result", width=64, height=64)
    log.clock.advance(hours=1)
    retention = Retention(
        images=log.images,
        outbox=log.outbox,
        max_age=timedelta(days=1),
        max_bytes=10**9,
        interval=timedelta(milliseconds=10),
    )
    sweep, failed = log.images.sweep, asyncio.Event()

    async def broken(**values: object) -> int:
        failed.set()
        raise OSError(5, "Input/output error")

    runner = asyncio.create_task(retention.run())
    await _gone(log, first)
    assert (await log.jobs.get(job.id)).origin.interaction_token is None
    monkeypatch.setattr(log.images, "sweep", broken)
    await asyncio.wait_for(failed.wait(), 20)
    monkeypatch.setattr(log.images, "sweep", sweep)
    second = await log.images.put(png(2), role="result", width=64, height=64)
    log.clock.advance(hours=1)
    await _gone(log, second)
    assert "could not be swept" in caplog.text
    runner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await runner
