"""The figures as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from tests.benchmarks.engine.measures import PATIENCE, Figures

MEBI = 2**20

LEGEND = (
    "*images/s*: pictures, from the first arrival to the last PNG. *× (a)*: images/s against "
    "(a)'s in the same round, the median of the rounds. *calls*: forward passes of the UNet; "
    "*rows*: the rows in them, padding included. *queue*: from a job's arrival to the forward "
    "pass of its first step; *total*: to its PNG; p50 / p95 over all jobs of all rounds, in "
    "seconds. *goodput*: pictures a second that came within "
    f"{PATIENCE:g}× what the same job takes alone on the same arm, and their share of all; what "
    "it takes alone was measured before for each size with and without guidance, at the fewest "
    "and the most steps, and lies in between in proportion. *memory*: the arm's peak, resident "
    "on a CPU, allocated on a GPU."
)


def row(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, the others are numbers."""
    return "\n".join([row(head), row(["---", *["---:"] * (len(head) - 1)]), *map(row, rows)])


def arms_table(
    figures: Mapping[str, Figures], extra: Mapping[str, Mapping[str, str]] | None = None
) -> str:
    """Figures by the arm's name, the first of which is what calls are relative to.

    extra: further columns by their heads: a cell for each arm's name.
    """
    extra = extra or {}
    first = next(iter(figures.values()))
    head = ["", "images/s", "× (a)", "calls", "of (a)", "rows", "queue p50 / p95",
            "total p50 / p95", "goodput", "memory", *extra]  # fmt: skip
    return table(
        head,
        (
            [*_cells(name, one, first), *(column[name] for column in extra.values())]
            for name, one in figures.items()
        ),
    )


def _cells(name: str, one: Figures, first: Figures) -> list[str]:
    memory = "–" if one.memory is None else f"{one.memory / MEBI:.0f} MiB"
    return [
        name,
        number(one.speed),
        f"{one.gain:.2f}",
        str(one.calls),
        f"{one.calls / first.calls:.2f}",
        str(one.rows),
        " / ".join(map(number, one.queued)),
        " / ".join(map(number, one.total)),
        f"{number(one.goodput)} ({one.in_time:.0%})",
        memory,
    ]


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
