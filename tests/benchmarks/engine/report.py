"""What was found, in words and tables."""

import statistics
from collections.abc import Mapping, Sequence

import torch

from tests.benchmarks.engine.aims import Aim, at_least, at_most
from tests.benchmarks.engine.bench import A, C, D, E, Findings, single_wish, trace_name
from tests.benchmarks.engine.measurement import Single
from tests.benchmarks.engine.measures import Run
from tests.benchmarks.engine.plan import JUDGED, Plan
from tests.benchmarks.engine.table import LEGEND, MEBI, arms_table, number, table
from tests.benchmarks.engine.traces import Mix


def gains(runs: Mapping[str, Sequence[Run]], name: str, base: str = A) -> list[float]:
    """Images a second of one arm against another's, round by round."""
    return [one.speed / other.speed for one, other in zip(runs[name], runs[base], strict=True)]


def sections(plan: Plan, found: Findings, extra: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Markdown, a section each. extra: further columns of the first table, cells by arm."""
    parts = []
    if found.speed:
        parts += [
            f"**Images a second** ({plan.rounds} backlogs of {plan.jobs} jobs, {_words(plan.mix)})",
            _speed_table(found.speed, extra),
        ]
    parts.append(
        f"{found.remark} torch {torch.__version__}, {torch.get_num_threads()} thread(s); "
        f"batches of (c) hold at most {plan.limit} jobs."
    )
    if found.single:
        parts += [
            f"**One job alone** ({_single_words(plan)}; {plan.alone} rounds)",
            _single_table(found.single),
        ]
    for name, arms in found.traces.items():
        parts += [f"**Traffic: {name}**", arms_table(arms)]
    if found.traces:
        parts += [
            f"In traffic: {_words(plan.traffic)}; {plan.backlog} jobs in the backlog, "
            f"{plan.arrivals} in each of the others, {plan.traffic_rounds} "
            f"round{'s' * (plan.traffic_rounds > 1)}; (b)'s capacity is "
            f"{number(found.capacity)} images/s.",
            LEGEND,
        ]
    return parts


def cpu_aims(found: Findings) -> list[Aim]:
    """The issue's aims for two CPU cores."""
    aims = []
    for name, text, limit in (
        (E, "images/s of (e), strict, in fp32: × (a)", 1.15),
        (D, "images/s of (d), fast: × (a)", 1.5),
    ):
        if found.speed:
            aims.append(at_least(text, statistics.median(gains(found.speed, name)), limit))
    for name, text in (
        (E, "one job alone on (e), strict: × (a)"),
        (D, "one job alone on (d), fast: × (a)"),
    ):
        if found.single:
            aims.append(at_least(text, found.single[name].gain, 1.0))
    return [*aims, *traffic_aims(found)]


def traffic_aims(found: Findings) -> list[Aim]:
    """Those that hold on every machine."""
    aims = []
    for name, arms in found.traces.items():
        if name.startswith("backlog"):
            calls = arms[D].calls / arms[A].calls
            aims.append(at_most("UNet calls of (d) in the backlog: of (a)'s", calls, 0.4))
        if name == trace_name(JUDGED):
            for arm, short in ((D, "(d)"), (E, "(e)")):
                share = arms[arm].total[1] / arms[C].total[1]
                aims.append(
                    at_most(f"p95 of {short} at {JUDGED:g} of the capacity: of (c)'s", share, 0.5)
                )
    return aims


def _speed_table(runs: Mapping[str, Sequence[Run]], extra: Mapping[str, Mapping[str, str]]) -> str:
    head = ["", "images/s", "× (a)", "least – most", "calls", "of (a)", "rows", "memory", *extra]
    first = sum(run.calls for run in runs[A])
    rows = []
    for name, own in runs.items():
        speed = sum(len(run.jobs) for run in own) / sum(run.seconds for run in own)
        ratios, calls = gains(runs, name), sum(run.calls for run in own)
        memory = [run.memory for run in own if run.memory is not None]
        rows.append(
            [
                name,
                number(speed),
                f"{statistics.median(ratios):.2f}",
                f"{min(ratios):.2f} – {max(ratios):.2f}",
                str(calls),
                f"{calls / first:.2f}",
                str(sum(run.rows for run in own)),
                f"{max(memory) / MEBI:.0f} MiB" if memory else "–",
                *(column[name] for column in extra.values()),
            ]
        )
    return table(head, rows)


def _single_table(found: Mapping[str, Single]) -> str:
    return table(
        ("", "seconds", "× (a)", "least – most"),
        (
            (name, number(one.seconds), f"{one.gain:.2f}", f"{one.least:.2f} – {one.most:.2f}")
            for name, one in found.items()
        ),
    )


def _words(mix: Mix) -> str:
    sizes = ", ".join(f"{width}×{height}" for width, height in mix.sizes)
    low, high = mix.strengths
    strength = f"{low:g}" if low == high else f"{low:g}–{high:g}"
    return (
        f"{sizes} px, strength {strength}, {_list(mix.steps)} steps, guidance "
        f"{_list(mix.guidances)}"
    )


def _single_words(plan: Plan) -> str:
    wish = single_wish(plan)
    return (
        f"{wish.size[0]}×{wish.size[1]} px, strength {wish.strength:g}, {wish.steps} steps, "
        f"guidance {wish.guidance:g}"
    )


def _list(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)
