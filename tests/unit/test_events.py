"""The event bus: nothing lost, progress coalesced."""

import asyncio

from bot.jobs.events import EventBus, JobEvent, JobFinished, JobProgressed, JobQueued
from inference.result import Progress


def _progress(job: int, step: int) -> JobProgressed:
    return JobProgressed(job_id=job, progress=Progress(step=step, steps=9))


async def _collect(bus: EventBus, count: int, out: list[JobEvent]) -> None:
    async for event in bus.listen():
        out.append(event)
        if len(out) == count:
            return


async def test_every_listener_hears_every_event_in_order() -> None:
    bus, heard = EventBus(), ([], [])
    tasks = [asyncio.create_task(_collect(bus, 2, out)) for out in heard]
    await asyncio.sleep(0)
    bus.publish(JobQueued(job_id=1))
    bus.publish(JobFinished(job_id=1))
    await asyncio.gather(*tasks)
    assert heard[0] == heard[1] == [JobQueued(job_id=1), JobFinished(job_id=1)]


async def test_a_slow_listener_keeps_only_the_newest_progress_of_a_job() -> None:
    bus, heard = EventBus(), []
    task = asyncio.create_task(_collect(bus, 3, heard))
    await asyncio.sleep(0)
    for step in range(1000):
        bus.publish(_progress(1, step))
    bus.publish(_progress(2, 5))
    bus.publish(JobFinished(job_id=1))
    await task
    assert heard == [_progress(1, 999), _progress(2, 5), JobFinished(job_id=1)]


async def test_without_listeners_events_go_nowhere() -> None:
    EventBus().publish(JobQueued(job_id=1))
