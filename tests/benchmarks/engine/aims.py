"""What the figures ought to be, and whether they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.engine.table import number, table


@dataclass(frozen=True, kw_only=True, slots=True)
class Aim:
    """One figure with its limit. least: whether the limit is one from below."""

    text: str
    value: float
    limit: float
    least: bool

    @property
    def met(self) -> bool:
        """The figure itself decides, not what is printed of it."""
        return self.value >= self.limit if self.least else self.value <= self.limit


def at_least(text: str, value: float, limit: float) -> Aim:
    """The more the better."""
    return Aim(text=text, value=value, limit=limit, least=True)


def at_most(text: str, value: float, limit: float) -> Aim:
    """The less the better."""
    return Aim(text=text, value=value, limit=limit, least=False)


def aims_table(aims: Sequence[Aim]) -> str:
    """As Markdown."""
    return table(
        ("aim", "limit", "measured", "met"),
        (
            (
                aim.text,
                f"{'≥' if aim.least else '≤'} {aim.limit:g}",
                number(aim.value),
                "yes" if aim.met else "**no**",
            )
            for aim in aims
        ),
    )
