"""What every part of the table is made with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from inference.training.classifier import Judge, Verdict
from inference.training.data import Pixels
from inference.training.quality.studio import Studio
from inference.training.scenes import picture_of
from inference.training.sheets import sheet
from inference.training.world import HELD_OUT

SHOWN = 24
"""Rows of a contact sheet at most."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The models, the judge (None where it was not trained), the held-out photographs, how many
    pictures each line is worth, their side in pixels, and where the contact sheets go.
    """

    studio: Studio
    judge: Judge | None
    photos: Sequence[Pixels]
    count: int
    side: int
    out: Path

    def scenes(self, part: int, count: int | None = None) -> list[Pixels]:
        """The scenes of `seeds` as photographs, `count` of them or as many as a line is worth."""
        numbers = seeds(part, self.count if count is None else count)
        return [picture_of(seed, (self.side, self.side)) for seed in numbers]

    def look(self, pictures: Sequence[Pixels]) -> list[Verdict]:
        """What the judge sees; nothing where there is none."""
        if self.judge is None:
            return []
        return self.judge.look([Image.fromarray(one) for one in pictures])

    def show(self, name: str, columns: Sequence[Sequence[Pixels]], across: int = 2) -> None:
        """Writes a contact sheet of the first rows."""
        sheet([column[:SHOWN] for column in columns], across).save(self.out / f"{name}.png")


def seeds(part: int, count: int) -> list[int]:
    """Held-out seeds of a part of the table; no two parts share one."""
    first = HELD_OUT + 10_000 + 1000 * part
    return list(range(first, first + count))


def average(values: Sequence[float]) -> float:
    """Their mean."""
    return float(np.mean(values))
