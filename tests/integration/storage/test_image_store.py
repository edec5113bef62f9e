"""The image store: durable, stored once, swept of what nobody needs."""

import asyncio
import hashlib
import os
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import Gone
from bot.storage.images import GRACE
from inference.request import Recipe
from tests.joblog import JobLog, png, run

DAY = timedelta(days=1)
PLENTY = 10**9


def _files(log: JobLog) -> list[Path]:
    return [path for path in (log.folder / "pictures").rglob("*") if path.is_file()]


async def _put(log: JobLog, shade: int) -> str:
    return await log.images.put(png(shade), role="result", width=64, height=64)


async def _job_with(log: JobLog, shade: int, *, delivered: bool = True) -> tuple[int, str]:
    job = await log.running()
    sha = await _put(log, shade)
    await log.jobs.finish(job.id, results=[sha], run=run())
    if delivered:
        await log.outbox.mark_delivered(job.id, 1)
    return job.id, sha


async def test_what_was_put_comes_back(log: JobLog) -> None:
    data = png(9)
    sha = await log.images.put(data, role="source", width=64, height=64)
    assert await log.images.get(sha) == data
    info = await log.images.info(sha)
    assert (info.sha, info.role, info.mime) == (sha, "source", "image/png")
    assert (info.width, info.height, info.size) == (64, 64, len(data))
    assert info.created_at == log.clock()


async def test_the_same_picture_is_stored_once(log: JobLog) -> None:
    assert len(set(await asyncio.gather(*(_put(log, 1) for _ in range(10))))) == 1
    assert len(_files(log)) == 1


async def test_what_is_not_there_is_gone(log: JobLog) -> None:
    for sha in ("0" * 64, "../../log.db"):
        with pytest.raises(Gone):
            await log.images.info(sha)
    with pytest.raises(Gone):
        await log.images.get("0" * 64)


async def test_a_lost_file_comes_back_with_the_next_put(log: JobLog) -> None:
    sha = await _put(log, 1)
    _files(log)[0].unlink()
    with pytest.raises(Gone):
        await log.images.get(sha)
    await _put(log, 1)
    assert await log.images.get(sha) == png(1)


async def test_old_pictures_go_and_used_ones_count_from_their_use(log: JobLog) -> None:
    (_, old), (_, used) = await _job_with(log, 1), await _job_with(log, 2)
    log.clock.advance(days=20)
    await _put(log, 2)
    log.clock.advance(days=11)
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=PLENTY) == 2  # and their source
    with pytest.raises(Gone):
        await log.images.get(old)
    assert await log.images.get(used) == png(2)
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=PLENTY) == 0


async def test_beyond_the_total_size_the_longest_unused_go_first(log: JobLog) -> None:
    shas = []
    for shade in range(1, 6):
        shas.append((await _job_with(log, shade))[1])
        log.clock.advance(hours=1)
    await log.queued()  # the common source stays whatever happens, and was used last
    keep = sum([len(png(0)), *(len(png(shade)) for shade in (4, 5))])
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=keep) == 3
    for sha in shas[3:]:
        await log.images.get(sha)
    for sha in shas[:3]:
        with pytest.raises(Gone):
            await log.images.get(sha)


async def test_what_a_job_needs_stays_whatever_the_limits(log: JobLog) -> None:
    received_source = await _put(log, 10)
    await log.jobs.receive(
        recipe=(await log.received()).recipe, origin=log.origin(), source=received_source
    )
    _, undelivered = await _job_with(log, 11, delivered=False)
    _, delivered = await _job_with(log, 12)
    await log.queued()  # needs the common source
    log.clock.advance(days=400)
    assert await log.images.sweep(max_age=timedelta(0), max_bytes=0) == 1
    for sha in (received_source, undelivered, await log.source()):
        await log.images.get(sha)
    with pytest.raises(Gone):
        await log.images.get(delivered)


async def test_a_second_picture_stays_as_long_as_a_source(log: JobLog) -> None:
    second = await _put(log, 10)
    log.clock.advance(days=400)  # so that only the job can hold it
    recipe = Recipe(prompt="x", task="blend")
    job, _ = await log.jobs.receive(
        recipe=recipe, origin=log.origin(), source=await log.source(), second=second
    )
    assert await log.images.sweep(max_age=timedelta(0), max_bytes=0) == 0
    await log.jobs.enqueue(
        job.id,
        source=await log.source(),
        second=second,
        width=8,
        height=8,
        cost=1,
        window=timedelta(hours=1),
        admit=lambda load: None,
    )
    await log.jobs.cancel(job.id)
    await log.outbox.mark_delivered(job.id, None)
    log.clock.advance(days=1)
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=PLENTY) == 0  # used a day ago
    await log.jobs.delete(job.id)
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=PLENTY) == 2
    with pytest.raises(Gone):
        await log.images.get(second)


async def test_what_was_just_stored_stays_until_a_row_can_name_it(log: JobLog) -> None:
    sha = await _put(log, 1)
    assert await log.images.sweep(max_age=timedelta(0), max_bytes=0) == 0
    log.clock.advance(seconds=GRACE.total_seconds())
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=PLENTY) == 1
    with pytest.raises(Gone):
        await log.images.get(sha)


async def test_deleted_pictures_go_unless_another_job_shows_them(log: JobLog) -> None:
    first, only_here = await _job_with(log, 1)
    second, shared = await _job_with(log, 2)
    third, _ = await _job_with(log, 2)
    log.clock.advance(hours=1)
    await log.jobs.delete(first)
    await log.jobs.delete(second)
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=PLENTY) == 1
    with pytest.raises(Gone):
        await log.images.get(only_here)
    await log.images.get(shared)
    await log.jobs.delete(third)  # now nobody shows this one, nor the source of all three
    assert await log.images.sweep(max_age=30 * DAY, max_bytes=PLENTY) == 2
    assert _files(log) == []


async def test_dying_between_file_and_row_leaves_nothing_broken(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object, **_values: object) -> None:
        raise OperationalError("gone", None, OSError())

    with monkeypatch.context() as patch:
        patch.setattr(log.database, "write", die)
        with pytest.raises(OperationalError):
            await _put(log, 1)
    (orphan,) = _files(log)
    part = orphan.with_name(f"{orphan.name}.1234.part")
    part.write_bytes(b"half a")
    await log.images.sweep(max_age=DAY, max_bytes=PLENTY)
    assert sorted(_files(log)) == sorted([orphan, part])  # perhaps somebody is still at it
    old = (log.clock() - 2 * GRACE).timestamp()
    for path in (orphan, part):
        os.utime(path, (old, old))
    await log.images.sweep(max_age=DAY, max_bytes=PLENTY)
    assert _files(log) == []
    # And with the orphan there, a put is as good as ever.
    sha = await _put(log, 1)
    assert await log.images.get(sha) == png(1)


async def test_a_sweep_asks_no_more_for_more_files(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = log.database.read

    def counted() -> AbstractAsyncContextManager[AsyncConnection]:
        nonlocal reads
        reads += 1
        return read()

    monkeypatch.setattr(log.database, "read", counted)
    old = (log.clock() - 2 * GRACE).timestamp()
    asked = []
    for shades in (range(2), range(2, 9)):
        for shade in shades:
            await _put(log, shade)
        for path in _files(log):
            os.utime(path, (old, old))
        reads = 0
        assert await log.images.sweep(max_age=DAY, max_bytes=PLENTY) == 0
        asked.append(reads)
    assert len(_files(log)) == 9
    assert asked[0] == asked[1]


async def test_a_write_that_fails_leaves_no_part(
    log: JobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            await _put(log, 1)
    assert _files(log) == []


async def test_puts_and_sweeps_at_once_leave_row_and_file_together(log: JobLog) -> None:
    for _ in range(3):
        for shade in range(5):
            await _put(log, shade)
        log.clock.advance(days=1)
        await asyncio.gather(
            log.images.sweep(max_age=timedelta(0), max_bytes=0),
            *(_put(log, shade) for shade in range(5)),
            log.images.sweep(max_age=timedelta(0), max_bytes=0),
        )
        for shade in range(5):  # each was stored just now
            data = png(shade)
            sha = hashlib.sha256(data).hexdigest()
            assert await log.images.get(sha) == data
            assert (await log.images.info(sha)).size == len(data)
