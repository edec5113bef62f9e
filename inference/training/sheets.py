"""Contact sheets: pictures beside each other, to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from inference.training.data import Pixels


def sheet(columns: Sequence[Pixels | Sequence[Pixels]], across: int = 1) -> Image.Image:
    """One row for each picture of a column, `across` such blocks beside each other.

    Every column holds equally many pictures, uint8 [h, w, 3], all of one size.
    """
    rows = [np.concatenate(cells, axis=1) for cells in zip(*columns, strict=True)]
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % across)
    each = len(rows) // across
    blocks = [np.concatenate(rows[i : i + each]) for i in range(0, len(rows), each)]
    return Image.fromarray(np.concatenate(blocks, axis=1))
