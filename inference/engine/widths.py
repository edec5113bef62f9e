"""Forward passes in strict mode that are wider than usual, where that changes no bit."""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from inference.engine.passes import RanOut
from inference.families.cache import Cache

Kind = tuple[Hashable, ...]

KINDS = 256
"""Kinds of pictures that are remembered; one that comes back later is compared again."""


class Widths:
    """How many rows may share a forward pass though each must get the bits of the usual pass.

    In which order a kernel sums follows from the shapes that it is given, never from the values in
    them. So the first time that pictures of one kind could share a pass of some width, it is made
    both ways and compared bit by bit; after that it is known. Where one width differs the whole
    kind keeps to its usual pass. (On servers of language models the same property is called batch
    invariance: He et al. 2025, "Defeating Nondeterminism in LLM Inference".)

    widest: rows of a pass, at most; with 0 every pass is the usual one.
    """

    def __init__(self, widest: int) -> None:
        self._widest = widest
        self._alike: Cache[Kind, dict[int, bool]] = Cache(KINDS)

    def most(self, kind: Kind, usual: int) -> int:
        """Rows that a pass for pictures of this kind may have, as far as is known."""
        if self._widest <= usual or not all(self._known(kind).values()):
            return usual
        return self._widest

    def predict(
        self,
        kind: Kind,
        rows: int,
        wide: Callable[[], Tensor],
        usual: Callable[[], Tensor],
    ) -> Tensor:
        """What the usual passes give, by one pass of so many rows where that is known to be the
        same. Raises RanOut for the usual ones; a wide one that does not fit is not tried again."""
        known = self._known(kind)
        if rows not in known:
            prediction = usual()
            known[rows] = _gives(wide, prediction)
            return prediction
        if known[rows]:
            try:
                return wide()
            except RanOut:
                known[rows] = False
        return usual()

    def _known(self, kind: Kind) -> dict[int, bool]:
        return self._alike.get(kind, dict)


def _gives(wide: Callable[[], Tensor], prediction: Tensor) -> bool:
    """Whether the wide pass fits the memory and gives exactly this."""
    try:
        return torch.equal(wide(), prediction)
    except RanOut:
        return False
