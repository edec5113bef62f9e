"""Joining painted pixels to those of a picture, so that no seam shows. Numpy only."""

import numpy as np
from numpy.typing import NDArray


def joined(known: NDArray[np.uint8], painted: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What was painted right of a picture, its levels drawn to the picture's at the border.

    known: [h, w, 3]. painted: [h, w + n, 3], the model's idea of the same and of what is right of
    it. Gives [h, n, 3].

    The new pixels keep their own gradients and begin where the old ones end: seamless cloning by
    a membrane (Pérez et al., Poisson Image Editing, 2003, section 2, with no guidance but the
    painted gradients), for which a straight border has a closed solution. In each frequency k
    along the border the correction falls off as exp(−|k| d) with the distance d.
    """
    height, width = known.shape[:2]
    new = painted[:, width:].astype(np.float64)
    step = known[:, -1].astype(np.float64) - painted[:, width - 1]
    # Mirrored, so that the upper end of the border does not run into the lower one.
    waves = np.fft.rfft(np.concatenate([step, step[::-1]]), axis=0)
    speed = 2 * np.pi * np.fft.rfftfreq(2 * height)[:, None]
    for distance in range(new.shape[1]):
        correction = np.fft.irfft(waves * np.exp(-speed * distance), n=2 * height, axis=0)
        new[:, distance] += correction[:height]
    return np.rint(new.clip(0, 255)).astype(np.uint8)
