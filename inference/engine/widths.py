"""Forward passes in strict mode that are wider than usual, where that changes no bit."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.engine.passes import RanOut
from inference.families.cache import Cache

Kind = tuple[Hashable, ...]

KINDS = 256
"""Kinds of pictures that are remembered; one that comes back later is compared again."""


@dataclass(slots=True)
class _Known:
    """Of one kind. most: rows that a pass may have, at most. alike: rows of passes that were
    compared and changed no bit."""

    most: int
    alike: set[int] = field(default_factory=set)


class Widths:
    """How many rows may share a forward pass though each must get the bits of the usual pass.

    In which order a kernel sums follows from the shapes that it is given, never from the values in
    them. So the first time that pictures of one kind share a pass of some width, it is made both
    ways and compared bit by bit; after that it is known. Where one width differs the whole kind
    keeps to its usual pass. (On servers of language models the same property is called batch
    invariance: He et al. 2025, "Defeating Nondeterminism in LLM Inference".)

    A kind must say all of what could hide a difference from the comparison, such as a zero that
    something is multiplied by; see `Slot.width_kind`.
    """

    def __init__(self) -> None:
        self._known: Cache[Kind, _Known] = Cache(KINDS)

    def most(self, kind: Kind, widest: int) -> int:
        """Rows that a pass for pictures of this kind may have, of `widest`; 0 for the usual."""
        return min(widest, self._of(kind, widest).most)

    def predict(
        self,
        kind: Kind,
        rows: int,
        wide: Callable[[], Tensor],
        usual: Callable[[], Tensor],
    ) -> Tensor:
        """What the usual passes give, by one pass of so many rows where that is known to be the
        same. Raises RanOut for the usual ones; where a wide one does not fit the memory, none of so
        many rows is tried again."""
        known = self._of(kind, rows)
        if rows in known.alike and rows <= known.most:
            try:
                return wide()
            except RanOut:
                known.most = rows - 1
        prediction = usual()
        if rows not in known.alike and rows <= known.most:
            self._compare(known, rows, wide, prediction)
        return prediction

    def _of(self, kind: Kind, most: int) -> _Known:
        return self._known.get(kind, lambda: _Known(most))

    @staticmethod
    def _compare(known: _Known, rows: int, wide: Callable[[], Tensor], prediction: Tensor) -> None:
        try:
            alike = torch.equal(wide(), prediction)
        except RanOut:
            known.most = rows - 1
            return
        if alike:
            known.alike.add(rows)
        else:
            known.most = 0
