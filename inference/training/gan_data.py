"""The pairs that a pix2pix model learns from: two tasks of the world, or an owner's own."""

import random
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from inference.training.crops import PairCrops
from inference.training.data import Pixels
from inference.training.drawings import child_drawing
from inference.training.pairs import Pair
from inference.training.scenes import Scenery, picture_of
from inference.training.spoiling import grey
from inference.training.styles import (
    Array,
    box,
    gradient,
    kuwahara,
    luminance,
    noise,
    stretch,
    stylise,
)
from inference.training.world import HELD_OUT

SKETCHES = {"pencil": 0.35, "ink": 0.3, "line": 0.2, "child": 0.15}
"""Kinds of drawings, and how often each is drawn."""

Pairs = tuple[Pixels, Pixels]
"""Inputs and outputs, uint8 [n, side, side, 3] each."""


class PairSource(Protocol):
    """Endless pairs to train on, and a few that are never trained on."""

    def batch(self, count: int, rng: np.random.Generator) -> Pairs:
        """Random pairs."""

    def held_out(self) -> Pairs:
        """The same pairs each time, none of which `batch` gives."""


def line_drawing(picture: Array, rng: np.random.Generator) -> Array:
    """Outlines and nothing else, as a hand with one pen draws: float32 [h, w, 3] in 0..1."""
    h, w = picture.shape[:2]
    calm = kuwahara(picture, int(rng.integers(2, 5)))
    edge = gradient(box(stretch(luminance(calm)), 1))
    stroke = np.clip((edge - rng.uniform(0.03, 0.06)) * rng.uniform(20, 50), 0, 1)
    pressure = np.clip(0.7 + 0.9 * noise((h, w), 20, rng), 0, 1)
    value = rng.uniform(0.93, 1) - rng.uniform(0.75, 0.95) * stroke * pressure
    return np.repeat(value[..., None], 3, axis=2).astype(np.float32)


def sketch(picture: Pixels, kind: str, rng: np.random.Generator) -> Pixels:
    """`picture` drawn in the hand `kind`, one of `SKETCHES`."""
    body = picture.astype(np.float32) / 255
    if kind == "line":
        drawn = line_drawing(body, rng)
    elif kind == "child":
        drawn = child_drawing(body, rng)
    else:
        drawn = stylise(body, kind, int(rng.integers(2**31)))
    return (np.clip(drawn, 0, 1) * 255 + 0.5).astype(np.uint8)


class WorldPairs:
    """The pairs of a task from `TASKS`: grey to colour, or a drawing to what was drawn."""

    def __init__(self, task: str, scenery: Scenery, *, side: int = 128, watched: int = 32) -> None:
        """`watched` held-out scenes are kept; pictures are squares of `side` pixels."""
        self._task = task
        self._scenery = scenery
        self._side = side
        seeds = range(HELD_OUT, HELD_OUT + watched)
        outputs = np.stack([picture_of(seed, (side, side)) for seed in seeds])
        rng = np.random.default_rng((29, HELD_OUT))
        self._held = np.stack([self.input_of(one, rng) for one in outputs]), outputs

    def input_of(self, output: Pixels, rng: np.random.Generator) -> Pixels:
        """What the model would have to make `output` from."""
        if self._task == "colorize":
            return grey(output)
        kind = str(rng.choice(list(SKETCHES), p=list(SKETCHES.values())))
        return sketch(output, kind, rng)

    def batch(self, count: int, rng: np.random.Generator) -> Pairs:
        """Random crops."""
        outputs = [self._scenery.crop(self._side, rng) for _ in range(count)]
        inputs = [self.input_of(one, rng) for one in outputs]
        return np.stack(inputs), np.stack(outputs)

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
