"""What is to be delivered, and what is forgotten afterwards."""

from datetime import timedelta

import pytest

from bot.model import DeliveryState, IllegalMove
from tests.joblog import JobLog


async def test_received_and_undelivered_jobs_are_listed_oldest_first(log: JobLog) -> None:
    first, second = await log.done(), await log.done()
    received = await log.received()
    running = await log.running()
    cancelled = await log.received()
    await log.jobs.cancel(cancelled.id)
    assert [job.id for job in await log.outbox.received()] == [received.id]
    assert [job.id for job in await log.outbox.undelivered()] == [
        first.id, second.id, cancelled.id,
    ]  # fmt: skip
    assert running.id not in {job.id for job in await log.outbox.undelivered()}


async def test_a_delivered_job_is_not_delivered_again_and_its_token_is_gone(log: JobLog) -> None:
    job = await log.received()
    assert await log.outbox.set_message(job.id, 41)
    assert (await log.jobs.get(job.id)).message_id == 41
    await log.jobs.cancel(job.id)
    await log.outbox.mark_delivered(job.id, 42)
    job = await log.jobs.get(job.id)
    assert (job.delivery, job.message_id) == (DeliveryState.DELIVERED, 42)
    assert job.origin.interaction_token is None
    assert await log.outbox.undelivered() == []
    await log.outbox.mark_delivered(job.id, 43, abandoned=True)
    assert await log.jobs.get(job.id) == job


async def test_abandoned_keeps_the_placeholder(log: JobLog) -> None:
    job = await log.received()
    assert await log.outbox.set_message(job.id, 41)
    await log.jobs.cancel(job.id)
    await log.outbox.mark_delivered(job.id, None, abandoned=True)
    job = await log.jobs.get(job.id)
    assert (job.delivery, job.message_id) == (DeliveryState.ABANDONED, 41)


async def test_a_placeholder_that_comes_after_the_end_is_not_noted(log: JobLog) -> None:
    job = await log.received()
    await log.jobs.cancel(job.id)
    assert not await log.outbox.set_message(job.id, 41)
    await log.outbox.mark_delivered(job.id, 42)
    assert not await log.outbox.set_message(job.id, 41)
    assert (await log.jobs.get(job.id)).message_id == 42


async def test_what_is_not_finished_cannot_be_delivered(log: JobLog) -> None:
    for job in (await log.received(), await log.running()):
        with pytest.raises(IllegalMove):
            await log.outbox.mark_delivered(job.id, 42)


async def test_expired_tokens_are_forgotten(log: JobLog) -> None:
    old = await log.received()
    log.clock.advance(minutes=5)
    new = await log.received()
    log.clock.now = old.created_at + timedelta(minutes=15)
    assert await log.outbox.forget_expired_tokens() == 1
    assert (await log.jobs.get(old.id)).origin.interaction_token is None
    assert (await log.jobs.get(new.id)).origin.interaction_token == "token"
    assert await log.outbox.forget_expired_tokens() == 0
