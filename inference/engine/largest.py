"""The largest picture that fits the memory, for a request that did not."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from inference.engine.costs import Pass, Size
from inference.engine.job import Job
from inference.engine.ladder import Ladder
from inference.engine.passes import Passes
from inference.engine.savings import Savings
from inference.errors import RequestError
from inference.families.base import DiffusionModel
from inference.families.conditioning import Row
from inference.limits import MIN_SIDE, SIDE_MULTIPLE

Picture = tuple[int, int]
"""Width and height in pixels."""


class Largest:
    """Finds it by halving the range, with passes over nothing; takes some seconds.

    On a CPU the passes are only forecast.
    multiple: sides that the model works at are multiples of it, pixels.
    """

    def __init__(
        self,
        model: DiffusionModel,
        passes: Passes,
        savings: Savings,
        ladder: Ladder,
        *,
        multiple: int,
    ) -> None:
        self._model = model
        self._passes = passes
        self._savings = savings
        self._ladder = ladder
        self._multiple = math.lcm(multiple, SIDE_MULTIPLE)
        self._known: dict[tuple[Picture, bool, Pass], Picture | None] = {}

    def refusal(self, job: Job) -> RequestError:
        """For an encoded job whose pictures do not fit, by the best way there is."""
        assert job.task is not None
        asked, encodes = job.task.size, job.encodes
        key = (asked, encodes, job.use)
        if key not in self._known:
            self._known[key] = self._find(asked, job.rows[-1], encodes)
        found = self._known[key]
        nearest = "no smaller one of this shape does."
        if found is not None:
            nearest = f"the largest of this shape that does is {found[0]}×{found[1]}."
        return RequestError(
            f"A picture of {asked[0]}×{asked[1]} pixels does not fit the memory here; {nearest}"
        )

    def _find(self, asked: Picture, row: Row, encodes: bool) -> Picture | None:
        sizes = self._smaller(asked)
        first, end = 0, len(sizes)
        while first < end:
            middle = (first + end) // 2
            if self._fits(sizes[middle], row, encodes):
                end = middle
            else:
                first = middle + 1
        return sizes[first] if first < len(sizes) else None

    def _smaller(self, asked: Picture) -> list[Picture]:
        """Sizes of this shape, to the nearest multiple, the largest first."""
        longest = max(asked)
        sides = range((longest - 1) // self._multiple * self._multiple, 0, -self._multiple)
        sizes = [tuple(self._nearest(side * one / longest) for one in asked) for side in sides]
        return [(w, h) for w, h in sizes if min(w, h) >= MIN_SIDE]

    def _nearest(self, side: float) -> int:
        return max(1, round(side / self._multiple)) * self._multiple

    def _fits(self, picture: Picture, row: Row, encodes: bool) -> bool:
        size = self._model.codec.shape(*picture)
        denoise = Pass.DENOISE if row.control is None else Pass.STEER
        uses = [denoise, *([Pass.ENCODE] if encodes else []), Pass.DECODE]
        return all(self._possible(use, size, row) for use in uses)

    def _possible(self, use: Pass, size: Size, row: Row) -> bool:
        way = self._ladder.bottom(size)
        nothing = torch.zeros(1, *size, device=self._model.device)
        shape = way.worked_on(use, size)
        if use.denoises:
            self._savings.slice_attention(way.sliced)
            wide = [nothing, *([nothing, nothing[:, :1]] if self._model.sees_hole else [])]
            line = (torch.cat(wide, dim=1), torch.tensor(500.0), self._sized(row, size))
            return self._passes.possible(use, 1, shape, partial(self._model.predict, [line]))
        codec = self._model.codec
        work: Callable[[], object] = partial(codec.decode, nothing)
        if use is Pass.ENCODE:
            black = np.zeros((size[1] * codec.factor, size[2] * codec.factor, 3), np.uint8)
            work = partial(codec.encode, [black])
        with self._savings.autoencoder(way.tile(use)):
            return self._passes.possible(use, 1, shape, work)

    def _sized(self, row: Row, size: Size) -> Row:
        """The row with what it looks at in another size, where it looks at something."""
        if row.control is None:
            return row
        factor = self._model.codec.factor
        return replace(row, control=row.control.blank(size[2] * factor, size[1] * factor))
