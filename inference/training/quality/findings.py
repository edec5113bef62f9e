"""What was found, and the table that says so."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the table.

    what: the ability; measure: how it is measured; found: the figure in words. met: whether the aim
    is reached; None where there is none, or nothing to hold against it.
    """

    what: str
    measure: str
    found: str
    aim: str
    met: bool | None = None


def absent(what: str, measure: str, aim: str) -> Finding:
    """The line of a model that is not there."""
    return Finding(what=what, measure=measure, found="not trained", aim=aim)


def unjudged(what: str, measure: str, aim: str) -> Finding:
    """The line of pictures that nobody can judge."""
    return Finding(what=what, measure=measure, found="the judge is not trained", aim=aim)


def table(findings: Sequence[Finding]) -> str:
    """A Markdown table, one line for each finding."""
    marks = {True: "yes", False: "no", None: ""}
    lines = ["| what | measure | found | aim | reached |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {f.what} | {f.measure} | {f.found} | {f.aim} | {marks[f.met]} |" for f in findings
    ]
    return "\n".join(lines) + "\n"


def percent(value: float) -> str:
    """A share in words."""
    return f"{100 * value:.1f}".removesuffix(".0") + " %"
