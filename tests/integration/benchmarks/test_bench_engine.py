"""`python -m tests.benchmarks.engine` at its smallest: are its figures consistent?"""

from pathlib import Path

import pytest
import torch

from inference.families.quiet import quiet
from tests import tiny
from tests.benchmarks.engine.__main__ import main
from tests.benchmarks.engine.arms import Runner
from tests.benchmarks.engine.bench import A, B, C, D, E, Findings, measure
from tests.benchmarks.engine.plan import LOADS, Plan
from tests.benchmarks.engine.process import ArmProcess, ArmSpec, LocalRunner
from tests.benchmarks.engine.report import cpu_aims, sections
from tests.benchmarks.engine.traces import Mix, Trace, backlog

MIX = Mix(sizes=((64, 64), (80, 64)), steps=(4, 6), guidances=(1.0, 5.0))
TRAFFIC = Mix(sizes=((64, 64),), steps=(4, 6), guidances=(1.0, 5.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    with quiet():
        return tiny.sd(tmp_path_factory.mktemp("bench") / "model")


@pytest.fixture(scope="module")
def plan(model: Path) -> Plan:
    return Plan(
        folder=model,
        device="cpu",
        mix=MIX,
        traffic=TRAFFIC,
        jobs=3,
        rounds=2,
        alone=1,
        backlog=5,
        arrivals=2,
        tries=1,
        compiled=False,
        processes=False,
    )


@pytest.fixture(scope="module")
def found(plan: Plan) -> Findings:
    return measure(plan)


def steps(trace: Trace) -> int:
    return sum(request.steps_run for request in trace.requests)


def rows(trace: Trace) -> int:
    return sum(r.steps_run * (2 if r.guidance > 1 else 1) for r in trace.requests)


def assert_compared(found: int, trace: Trace) -> None:
    """What was asked for, and once more what strict mode made both ways to compare it."""
    assert rows(trace) <= found <= 2 * rows(trace)


def test_every_step_of_every_job_is_counted_and_no_arm_does_more(found: Findings) -> None:
    (waiting,) = (figures for name, figures in found.traces.items() if name.startswith("backlog"))
    asked = backlog(TRAFFIC, 5, seed=0)
    assert waiting[A].calls == steps(asked)
    for name in (A, C, D):
        assert waiting[name].rows == rows(asked), name
    assert_compared(waiting[E].rows, asked)
    assert waiting[C].calls <= waiting[A].calls
    assert waiting[D].calls < waiting[A].calls


def test_the_backlogs_for_images_a_second_are_counted_likewise(found: Findings) -> None:
    for number in range(2):
        asked = backlog(MIX, 3, seed=number)
        assert found.speed[A][number].calls == steps(asked)
        for name in (A, C, D):
            assert found.speed[name][number].rows == rows(asked), name
        assert_compared(found.speed[E][number].rows, asked)


def test_times_follow_each_other(found: Findings) -> None:
    for runs in found.speed.values():
        for job in (job for run in runs for job in run.jobs):
            assert job.arrived <= job.started < job.finished
    for figures in (one for arms in found.traces.values() for one in arms.values()):
        assert 0 <= figures.queued[0] < figures.total[0] <= figures.total[1]
        assert 0 <= figures.in_time <= 1
        assert figures.goodput <= figures.speed


def test_without_compiling_the_capacity_is_that_of_a(found: Findings) -> None:
    (waiting,) = (figures for name, figures in found.traces.items() if name.startswith("backlog"))
    assert B not in waiting
    assert found.capacity == waiting[A].speed
    assert waiting[A].gain == 1.0
    assert len(found.traces) == 1 + len(LOADS)


def test_the_report_names_every_arm_and_every_aim(plan: Plan, found: Findings) -> None:
    text = "\n\n".join(sections(plan, found, {}))
    assert "(b) was not tried, so (b) is (a)" in text
    for name in (A, C, D, E):
        assert text.count(f"| {name} |") == 6 - (name == C), name
    assert [aim.limit for aim in cpu_aims(found)] == [1.15, 1.5, 1.0, 1.0, 0.4, 0.5, 0.5]


def test_an_arm_in_a_process_finds_the_same_and_has_memory_of_its_own(model: Path) -> None:
    spec = ArmSpec(name=A, folder=model, device="cpu")
    arm: Runner = ArmProcess(spec)
    asked = backlog(MIX, 1, seed=0)
    try:
        run = arm.replay(asked)
    finally:
        arm.close()
    assert (run.calls, run.rows) == (steps(asked), rows(asked))
    assert run.memory is not None
    assert run.memory > 100 * 2**20
    assert LocalRunner(spec).replay(asked).memory is None


def test_a_part_can_be_run_and_written_to_a_file(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tables.md"
    arguments = "--side 64 --jobs 1 --rounds 1 --alone 0 --backlog 0 --no-compile --one-process"
    assert main([*arguments.split(), "--model", str(model), "--turbo", "--out", str(out)]) == 0
    written = out.read_text()
    assert written in capsys.readouterr().out
    assert "Traffic" not in written
    assert f"| {D} |" in written
