"""The clock of the benchmarks: nothing runs early, nothing waits in vain, late arms fall behind."""

from collections.abc import Sequence

import pytest

from inference.request import GenerationRequest
from tests.benchmarks.engine.arms import NEVER, Counts, Done
from tests.benchmarks.engine.replay import replay
from tests.benchmarks.engine.traces import Arrival, Trace


class Clock:
    """Begins at 100 s; only sleeping and working move it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class OneByOne:
    """Takes 2 s for each job, 0.5 s of them before its first step."""

    def __init__(self, clock: Clock, *, patience: float = 0.0) -> None:
        self._clock = clock
        self._patience = patience
        self._waiting: list[Arrival] = []
        self.seen: list[tuple[float, int]] = []
        self._calls = 7

    def counts(self) -> Counts:
        return Counts(calls=self._calls, rows=2 * self._calls)

    def arrive(self, arrival: Arrival) -> None:
        self.seen.append((self._clock.now - 100, arrival.number))
        self._waiting.append(arrival)

    def due(self, now: float) -> float:
        return max(now, self._waiting[0].at + self._patience) if self._waiting else NEVER

    def work(self, now: float) -> Sequence[Done]:
        job = self._waiting.pop(0)
        self._calls += 3
        self._clock.now += 2
        return [Done(number=job.number, started=100 + now + 0.5, finished=self._clock.now)]


def trace(*times: float) -> Trace:
    request = GenerationRequest(prompt="", strength=1)
    arrivals = (
        Arrival(number=number, at=at, guild=0, request=request) for number, at in enumerate(times)
    )
    return Trace(name="", arrivals=tuple(arrivals))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_sleeps_until_a_job_comes_and_no_longer(clock: Clock) -> None:
    run = replay(OneByOne(clock), trace(1.0, 10.0), clock, clock.sleep)
    assert clock.slept == [1.0, 7.0]
    assert [job.queued for job in run.jobs] == [0.5, 0.5]
    assert [job.total for job in run.jobs] == [2.0, 2.0]
    assert run.seconds == 11.0


def test_a_job_that_comes_while_the_arm_works_has_waited_since_its_own_time(clock: Clock) -> None:
    arm = OneByOne(clock)
    run = replay(arm, trace(0.0, 0.25, 1.0), clock, clock.sleep)
    assert clock.slept == []
    assert arm.seen == [(0.0, 0), (2.0, 1), (2.0, 2)]
    assert [job.total for job in run.jobs] == [2.0, 3.75, 5.0]
    assert run.seconds == 6.0


def test_a_window_is_slept_through_but_for_arrivals(clock: Clock) -> None:
    replay(OneByOne(clock, patience=0.5), trace(0.0, 0.25), clock, clock.sleep)
    assert clock.slept == [0.25, 0.25]


def test_only_its_own_calls_are_counted(clock: Clock) -> None:
    arm = OneByOne(clock)
    replay(arm, trace(0.0), clock, clock.sleep)
    run = replay(arm, trace(0.0, 0.0), clock, clock.sleep)
    assert (run.calls, run.rows) == (6, 12)


def test_jobs_are_in_the_trace_s_order_whoever_is_finished_first(clock: Clock) -> None:
    class Newest(OneByOne):
        def work(self, now: float) -> Sequence[Done]:
            self._waiting.reverse()
            return super().work(now)

    run = replay(Newest(clock), trace(0.0, 0.0, 0.0), clock, clock.sleep)
    assert [job.number for job in run.jobs] == [0, 1, 2]
    assert [job.finished for job in run.jobs] == [4.0, 6.0, 2.0]
