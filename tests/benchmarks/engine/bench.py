"""The whole benchmark: arms are started, compared, and the figures written down."""

import contextlib
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from inference.families.load import find_device
from inference.request import GenerationRequest
from tests.benchmarks.engine.alone import measure_alone
from tests.benchmarks.engine.arms import Runner
from tests.benchmarks.engine.compiled import WORTH, compiler_missing, gain
from tests.benchmarks.engine.measurement import Arms, Single, figures, play, singles
from tests.benchmarks.engine.measures import Figures, Run
from tests.benchmarks.engine.pipeline_arm import load_pipeline
from tests.benchmarks.engine.plan import LOADS, Plan
from tests.benchmarks.engine.process import ArmProcess, ArmSpec, LocalRunner
from tests.benchmarks.engine.traces import Size, Wish, backlog, poisson, request_of

A = "(a) diffusers, one at a time"
B = "(b) the same, compiled"
C = "(c) static batches, 20 ms"
D = "(d) this engine, fast"
E = "(e) this engine, strict"
WINDOW = 0.02
_WARMING, _SINGLE = 10_000, 20_000


@dataclass(kw_only=True, slots=True)
class Findings:
    """Everything measured, by the arm's name. Without (b) among them, (b) is (a).

    remark: what became of (b). speed: images a second on backlogs of Plan.mix. single: one job
    of it alone. traces: figures of Plan.traffic by the trace's name. capacity: (b)'s images a
    second on the backlog of Plan.traffic, 0 where there was none.
    """

    remark: str
    speed: dict[str, list[Run]] = field(default_factory=dict)
    single: dict[str, Single] = field(default_factory=dict)
    traces: dict[str, dict[str, Figures]] = field(default_factory=dict)
    capacity: float = 0.0


def measure(plan: Plan) -> Findings:
    """Runs everything; minutes to hours, told on the standard error."""
    helps, remark = _try_compiling(plan)
    _say(remark)
    found = Findings(remark=remark)
    with _started(plan, compiled=helps) as arms:
        if plan.rounds:
            _speed(plan, arms, found)
        if plan.alone:
            _say("one job alone")
            requests = [_single(plan, number) for number in range(plan.alone + 1)]
            found.single = singles({name: arms[name] for name in arms if name != C}, requests)
        if plan.backlog:
            _traffic(plan, arms, found)
    return found


def _speed(plan: Plan, arms: Arms, found: Findings) -> None:
    _say("images a second")
    play(arms, [backlog(plan.mix, min(2 * plan.limit, plan.jobs), seed=_WARMING)])
    rounds = [backlog(plan.mix, plan.jobs, seed=number) for number in range(plan.rounds)]
    found.speed = play(arms, rounds)


def _traffic(plan: Plan, arms: Arms, found: Findings) -> None:
    _say("each kind of job alone")
    unloaded = {
        name: measure_alone(arm, plan.traffic, tries=plan.tries) for name, arm in arms.items()
    }
    play(arms, [backlog(plan.traffic, min(2 * plan.limit, plan.backlog), seed=_WARMING)])
    seeds = range(plan.traffic_rounds)
    traces = [backlog(plan.traffic, plan.backlog, seed) for seed in seeds]
    _say(traces[0].name)
    waiting = figures(play(arms, traces), traces, unloaded)
    found.traces[traces[0].name] = waiting
    found.capacity = waiting.get(B, waiting[A]).speed
    for load in LOADS if plan.arrivals else ():
        name = trace_name(load)
        _say(name)
        rate = load * found.capacity
        traces = [poisson(plan.traffic, plan.arrivals, s, rate=rate, name=name) for s in seeds]
        found.traces[name] = figures(play(arms, traces), traces, unloaded)


def trace_name(load: float) -> str:
    """Of the Poisson trace at a share of (b)'s capacity."""
    return f"arrivals at {load:g} of (b)'s capacity"


def single_wish(plan: Plan) -> Wish:
    """The job that runs alone: what a member gets who sets nothing."""
    mix = plan.mix
    guided = max(mix.guidances) > 1
    return Wish(
        size=mix.sizes[0], steps=min(mix.steps) if guided else max(mix.steps), strength=0.6,
        guidance=5.0 if guided else 1.0,
    )  # fmt: skip


def _single(plan: Plan, number: int) -> GenerationRequest:
    return request_of(single_wish(plan), seed=_SINGLE + number, prompt=f"a boat, {number}")


def _try_compiling(plan: Plan) -> tuple[bool, str]:
    """Whether (b) is worth having, and what to say of it."""
    if not plan.compiled:
        return False, "(b) was not tried, so (b) is (a)."
    missing = compiler_missing(find_device(plan.device))
    if missing is not None:
        return False, f"(b) is (a): {missing}."
    _say("whether compiling helps")
    # In a process of its own, so that what it leaves behind is not counted as an arm's memory.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        size = plan.mix.sizes[0]
        found = process.submit(_gain, plan.folder, plan.device, size).result()
    if found < WORTH:
        return False, (
            f"(b) is (a): a compiled forward pass of two rows is {found:.2f}× as fast as one that "
            "is not, which is no help."
        )
    return True, f"(b): a compiled forward pass of two rows is {found:.2f}× as fast."


def _gain(folder: Path, device: str, size: Size) -> float:
    return gain(load_pipeline(folder, find_device(device)), size)


@contextlib.contextmanager
def _started(plan: Plan, *, compiled: bool) -> Iterator[dict[str, Runner]]:
    """All arms, by name."""
    folder, device = plan.folder, plan.device
    specs = [ArmSpec(name=A, folder=folder, device=device)]
    if compiled:
        specs.append(ArmSpec(name=B, folder=folder, device=device, compiled=False))
    specs += [
        ArmSpec(
            name=C, folder=folder, device=device, limit=plan.limit, window=WINDOW,
            compiled=True if compiled else None,
        ),
        ArmSpec(name=D, folder=folder, device=device, strict=False),
        ArmSpec(name=E, folder=folder, device=device, strict=True),
    ]  # fmt: skip
    start = ArmProcess if plan.processes else LocalRunner
    with contextlib.ExitStack() as stack:
        arms: dict[str, Runner] = {}
        for spec in specs:
            arms[spec.name] = stack.enter_context(contextlib.closing(start(spec)))
        yield arms


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
