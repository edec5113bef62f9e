"""What becomes of pictures that do not fit the memory: a ladder that is only ever climbed down."""

from dataclasses import dataclass, replace

from inference.engine.costs import Pass, Size
from inference.engine.savings import Savings


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How pictures of one size are made; without any trouble, as it is by default.

    rows: of one forward pass, at most. sliced: attention is worked out a head at a time.
    together: pictures in the autoencoder at once, at most. encode_tile, decode_tile: the side
    of what it works on at once, in latents. None: as the settings say, and the whole picture.
    """

    rows: int | None = None
    sliced: bool = False
    together: int | None = None
    encode_tile: int | None = None
    decode_tile: int | None = None

    def tile(self, use: Pass) -> int | None:
        """For encoding or decoding."""
        return self.encode_tile if use is Pass.ENCODE else self.decode_tile

    def worked_on(self, use: Pass, size: Size) -> Size:
        """What one pass works on: the whole picture, or a tile of it."""
        tile = None if use.denoises else self.tile(use)
        if tile is None:
            return size
        return size[0], min(size[1], tile), min(size[2], tile)


class Ladder:
    """The way of each size. It is remembered, so that the next request begins where this one came
    to, until the engine ends.

    The rungs, each taken when a pass of a size did not fit and only for that size, but the last:

    - smaller batches: half the rows of a forward pass, down to a single row, so that a picture's
      two rows go one after the other; half the pictures in the autoencoder, down to one;
    - the autoencoder works in tiles, of half the picture's longer side and then half of that;
    - attention is worked out a head at a time;
    - the text encoders and the autoencoder leave the device between two uses. The denoiser never
      does: moving it for every step would take longer than the step.

    After that the request is refused.
    """

    def __init__(self, savings: Savings) -> None:
        self._savings = savings
        self._ways: dict[Size, Way] = {}

    def way(self, size: Size) -> Way:
        """How pictures of this size are made now."""
        return self._ways.get(size, Way())

    def descend(self, use: Pass, size: Size, rows: int) -> bool:
        """Takes the next rung after a pass of so many rows or pictures did not fit.

        False where there is none left.
        """
        way = self.way(size)
        if use.denoises:
            below = self._fewer_rows(way, rows)
        else:
            below = self._less_picture(way, use, size, rows)
        if below is None:
            return self._savings.offload()
        self._ways[size] = below
        return True

    def bottom(self, size: Size) -> Way:
        """The way that takes the least memory."""
        tile: int | None = None
        while (smaller := self._savings.smaller_tile(tile, max(size[1:]))) is not None:
            tile = smaller
        return Way(
            rows=1,
            sliced=self._savings.can_slice,
            together=1,
            encode_tile=tile,
            decode_tile=tile,
        )

    def _fewer_rows(self, way: Way, rows: int) -> Way | None:
        if rows > 1:
            return replace(way, rows=rows // 2)
        if self._savings.can_slice and not way.sliced:
            return replace(way, sliced=True)
        return None

    def _less_picture(self, way: Way, use: Pass, size: Size, pictures: int) -> Way | None:
        if pictures > 1:
            return replace(way, together=pictures // 2)
        tile = self._savings.smaller_tile(way.tile(use), max(size[1:]))
        if tile is None:
            return None
        if use is Pass.ENCODE:
            return replace(way, encode_tile=tile)
        return replace(way, decode_tile=tile)
