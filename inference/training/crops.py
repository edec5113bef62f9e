"""Random parts of pairs: the same part of both pictures, mirrored alike."""

import random
from collections import OrderedDict
from collections.abc import Sequence
from io import BytesIO
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.training.pairs import Pair, read_picture

Pixels = NDArray[np.uint8]

SPARE = 1.125
"""How much larger than the crop a fitted picture is (Isola et al. 2017: 286 for 256)."""


class PairCrops:
    """Crops of one size from pairs of any size.

    Fitted pictures are scaled down, never up, until they just cover the crop times `SPARE`; the
    crop's place is random. Native ones are not scaled at all: for noise, grain and sharpness, which
    scaling would change. Mirrored crops are as frequent as others unless `mirror` is false.
    What is drawn depends only on the random generator that is given.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        size: tuple[int, int],
        *,
        native: bool = False,
        mirror: bool = True,
        memory: int = 2**30,
    ) -> None:
        """`size` is (width, height); `memory` bounds in bytes what is kept of decoded pictures."""
        self.pairs = tuple(pairs)
        self.size = size
        self.native, self.mirror = native, mirror
        self._kept: OrderedDict[int, Pixels] = OrderedDict()
        self._memory = memory

    def draw(self, index: int, rng: random.Random) -> tuple[Pixels, Pixels]:
        """A crop of a pair's source and target, uint8 [h, w, 3] each.

        A pair without a source gives its target twice.
        """
        both = self._pictures(index)
        w, h = self.size
        y = rng.randrange(both.shape[1] - h + 1)
        x = rng.randrange(both.shape[2] - w + 1)
        part = both[:, y : y + h, x : x + w]
        if self.mirror and rng.random() < 0.5:
            part = part[:, :, ::-1]
        return np.ascontiguousarray(part[0]), np.ascontiguousarray(part[-1])

    def centre(self, index: int) -> tuple[Pixels, Pixels]:
        """The middle of a pair, to look at."""
        both = self._pictures(index)
        w, h = self.size
        y, x = (both.shape[1] - h) // 2, (both.shape[2] - w) // 2
        part = both[:, y : y + h, x : x + w]
        return np.ascontiguousarray(part[0]), np.ascontiguousarray(part[-1])

    def _pictures(self, index: int) -> Pixels:
        """[2, h, w, 3], or [1, h, w, 3] without a source; the last used ones stay in memory."""
        kept = self._kept.pop(index, None)
        if kept is None:
            pair = self.pairs[index]
            paths = [path for path in (pair.source, pair.target) if path is not None]
            images = [Image.open(BytesIO(read_picture(path).data)) for path in paths]
            kept = np.stack([np.asarray(self._fitted(image)) for image in images])
        self._kept[index] = kept
        total = sum(array.nbytes for array in self._kept.values())
        while total > self._memory and len(self._kept) > 1:
            total -= self._kept.popitem(last=False)[1].nbytes
        return kept

    def _fitted(self, image: Image.Image) -> Image.Image:
        (w, h), (cw, ch) = image.size, self.size
        ratio = SPARE * max(cw / w, ch / h)
        if self.native or ratio >= 1:
            return image
        return image.resize((ceil(w * ratio), ceil(h * ratio)), Image.Resampling.LANCZOS)
