"""The jobs of the benchmarks: seeded, as likely as they say, and alike enough for batches."""

from collections import Counter
from itertools import pairwise
from statistics import mean

import pytest

from tests.benchmarks.engine.traces import (
    GUILDS,
    Mix,
    alone,
    backlog,
    buckets,
    poisson,
    turbo,
)

MIX = Mix(sizes=buckets(64))


def test_the_same_seed_gives_the_same_trace_and_another_one_does_not() -> None:
    assert backlog(MIX, 20, seed=3) == backlog(MIX, 20, seed=3)
    assert backlog(MIX, 20, seed=3) != backlog(MIX, 20, seed=4)


def test_jobs_are_of_the_mix() -> None:
    for request in backlog(MIX, 200, seed=0).requests:
        assert (request.width, request.height) in MIX.sizes
        assert request.steps in (20, 30)
        assert 0.3 <= request.strength <= 0.9
        assert request.guidance in MIX.guidances
    guided = [request.guidance > 1 for request in backlog(MIX, 400, seed=1).requests]
    assert 0.5 < mean(guided) < 1


def test_a_turbo_model_is_asked_for_few_steps_without_guidance() -> None:
    requests = list(backlog(turbo(buckets(64)), 100, seed=0).requests)
    assert {request.steps for request in requests} == {1, 2, 3, 4}
    assert all(request.guidance == 1 and request.steps_run >= 1 for request in requests)


def test_guilds_are_busy_by_zipf_s_law() -> None:
    jobs = Counter(arrival.guild for arrival in backlog(MIX, 600, seed=0).arrivals)
    harmonic = sum(1 / rank for rank in range(1, GUILDS + 1))
    for rank in range(3):
        assert jobs[rank] / 600 == pytest.approx(1 / (rank + 1) / harmonic, rel=0.2)


def test_habits_make_some_jobs_alike() -> None:
    jobs = [
        (r.steps, r.strength, r.guidance, r.width, r.height)
        for r in backlog(MIX, 200, seed=0).requests
    ]
    alike = sum(count for count in Counter(jobs).values() if count > 1)
    assert 100 < alike < 200


def test_rerolls_repeat_everything_but_the_seed() -> None:
    requests = list(backlog(MIX, 200, seed=0).requests)
    prompts = Counter(request.prompt for request in requests)
    assert len({request.seed for request in requests}) == 200
    assert 30 < sum(count - 1 for count in prompts.values()) < 90


def test_arrivals_come_at_their_rate_and_in_order() -> None:
    trace = poisson(MIX, 500, seed=0, rate=4.0, name="busy")
    times = [arrival.at for arrival in trace.arrivals]
    assert times == sorted(times)
    assert times[-1] / 500 == pytest.approx(1 / 4, rel=0.1)
    assert list(trace.requests) == list(backlog(MIX, 500, seed=0).requests)
    gaps = [after - before for before, after in pairwise(times)]
    # Of an exponential distribution a share of 1 - 1/e is below the mean.
    assert mean(gap < 0.25 for gap in gaps) == pytest.approx(0.632, abs=0.05)


def test_a_backlog_waits_from_the_beginning() -> None:
    assert {arrival.at for arrival in backlog(MIX, 5, seed=0).arrivals} == {0.0}


def test_one_job_alone() -> None:
    request = next(iter(backlog(MIX, 1, seed=0).requests))
    (arrival,) = alone(request).arrivals
    assert arrival.request is request


@pytest.mark.parametrize("side", [64, 96, 256, 512, 1024])
def test_sizes_are_legal_and_of_about_one_area(side: int) -> None:
    for width, height in buckets(side):
        assert width % 8 == height % 8 == 0
        assert min(width, height) >= 64
        assert 0.7 <= width * height / side**2 <= 1.25
