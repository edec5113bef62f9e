"""Pictures of one size through the autoencoder, as many at once as fit."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from inference.engine.costs import Pass, Size
from inference.engine.ladder import Ladder
from inference.engine.passes import Passes, RanOut
from inference.engine.savings import Savings
from inference.families.latents import LatentCodec, Levels, Pixels, Posterior

Item = TypeVar("Item")
Made = TypeVar("Made")


class Autoencoder:
    """Climbs down the ladder where memory runs out.

    together: pictures at once, at most.
    Both ways give what was made of each item with the side of the tiles it was made in, None for
    a picture in one piece; and less than all where memory did not even suffice for tiles.
    """

    def __init__(
        self,
        codec: LatentCodec,
        passes: Passes,
        savings: Savings,
        ladder: Ladder,
        *,
        together: int,
    ) -> None:
        self._codec = codec
        self._passes = passes
        self._savings = savings
        self._ladder = ladder
        self._together = together

    def encode(self, size: Size, pictures: Sequence[Levels]) -> list[tuple[Posterior, int | None]]:
        """Posteriors of pictures whose latents have this shape."""
        return self._each(Pass.ENCODE, size, pictures, self._codec.encode)

    def decode(self, size: Size, latents: Sequence[Tensor]) -> list[tuple[Pixels, int | None]]:
        """Pictures of latents of this shape, [1, *size] each."""

        def decode(part: Sequence[Tensor]) -> list[Pixels]:
            return self._codec.decode(torch.cat(list(part)))

        return self._each(Pass.DECODE, size, latents, decode)

    def _each(
        self,
        use: Pass,
        size: Size,
        items: Sequence[Item],
        work: Callable[[Sequence[Item]], list[Made]],
    ) -> list[tuple[Made, int | None]]:
        made: list[tuple[Made, int | None]] = []
        while len(made) < len(items):
            way = self._ladder.way(size)
            most = min(self._together, way.together or self._together)
            part = items[len(made) : len(made) + most]
            try:
                with self._savings.autoencoder(way.tile(use)):
                    shape = way.worked_on(use, size)
                    done = self._passes.run(use, len(part), shape, partial(work, part))
            except RanOut:
                if not self._ladder.descend(use, size, len(part)):
                    break
            else:
                made += [(one, way.tile(use)) for one in done]
        return made
