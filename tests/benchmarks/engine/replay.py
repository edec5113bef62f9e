"""Plays a trace to an arm against a clock: open loop, so that a slow arm is not asked for less."""

import time
from collections import deque
from collections.abc import Callable

from tests.benchmarks.engine.arms import NEVER, Arm
from tests.benchmarks.engine.measures import JobTime, Run
from tests.benchmarks.engine.traces import Trace


def replay(
    arm: Arm,
    trace: Trace,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Has the arm serve every job of the trace; sleeps while nothing is due.

    A job counts as arrived at its time in the trace, though an arm that is at work takes it in
    only afterwards.
    """
    coming = deque(trace.arrivals)
    times: list[JobTime] = []
    before, begun = arm.counts(), clock()
    while coming or len(times) < len(trace.arrivals):
        now = clock() - begun
        while coming and coming[0].at <= now:
            arm.arrive(coming.popleft())
        due = arm.due(now)
        if due > now:
            sleep(min(due, coming[0].at if coming else NEVER) - now)
            continue
        times += [
            JobTime(
                number=done.number,
                arrived=trace.arrivals[done.number].at,
                started=done.started - begun,
                finished=done.finished - begun,
            )
            for done in arm.work(now)
        ]
    after = arm.counts()
    return Run(
        jobs=tuple(sorted(times, key=lambda job: job.number)),
        calls=after.calls - before.calls,
        rows=after.rows - before.rows,
    )
