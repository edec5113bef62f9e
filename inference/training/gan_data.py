"""The pairs that a pix2pix model learns from: colours of the world, or an owner's own."""

import random
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from inference.training.crops import PairCrops
from inference.training.data import Pixels
from inference.training.pairs import Pair
from inference.training.scenes import Scenery, picture_of
from inference.training.spoiling import grey
from inference.training.world import HELD_OUT

Pairs = tuple[Pixels, Pixels]
"""Inputs and outputs, uint8 [n, side, side, 3] each."""


class PairSource(Protocol):
    """Endless pairs to train on, and a few that are never trained on."""

    def batch(self, count: int, rng: np.random.Generator) -> Pairs:
        """Random pairs."""

    def held_out(self) -> Pairs:
        """The same pairs each time, none of which `batch` gives."""


class GreyPairs:
    """A grey picture and the same in colour."""

    def __init__(self, scenery: Scenery, *, side: int = 128, watched: int = 32) -> None:
        """`watched` held-out scenes are kept; pictures are squares of `side` pixels."""
        self._scenery = scenery
        self._side = side
        seeds = range(HELD_OUT, HELD_OUT + watched)
        outputs = np.stack([picture_of(seed, (side, side)) for seed in seeds])
        self._held = np.stack([grey(one) for one in outputs]), outputs

    def batch(self, count: int, rng: np.random.Generator) -> Pairs:
        """Random crops."""
        outputs = [self._scenery.crop(self._side, rng) for _ in range(count)]
        return np.stack([grey(one) for one in outputs]), np.stack(outputs)

    def held_out(self) -> Pairs:
        """Whole scenes of held-out seeds."""
        return self._held


class FolderPairs:
    """An owner's own pairs; one in ten, but at most `watched`, is never trained on."""

    def __init__(self, pairs: Sequence[Pair], *, side: int = 128, watched: int = 32) -> None:
        """At least two pairs; training crops are squares of `side` pixels."""
        if len(pairs) < 2:
            raise ValueError("one pair to train on and one to look at are needed")
        order = list(pairs)
        random.Random(31).shuffle(order)
        count = min(watched, max(1, len(order) // 10))
        held = PairCrops(order[:count], (side, side))
        both = [held.centre(i) for i in range(count)]
        self._held = np.stack([a for a, _ in both]), np.stack([b for _, b in both])
        self._crops = PairCrops(order[count:], (side, side))

    def batch(self, count: int, rng: np.random.Generator) -> Pairs:
        """Random crops of the others."""
        dice = random.Random(int(rng.integers(2**63)))
        indices = [dice.randrange(len(self._crops.pairs)) for _ in range(count)]
        drawn = [self._crops.draw(i, dice) for i in indices]
        return np.stack([a for a, _ in drawn]), np.stack([b for _, b in drawn])

    def held_out(self) -> Pairs:
        """The middles of the pairs that are kept back."""
        return self._held
