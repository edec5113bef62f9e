"""Masks: where a picture is painted, white, and where it is kept, black. Pillow and numpy only."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps

from inference.errors import RequestError

Bools = NDArray[np.bool_]

FAINT = 8
"""Of 255; less of what was painted cannot be seen."""

_SHAPES_DIFFER = 0.03
"""How much the shapes of two pictures may differ by, as a share, and be the same picture."""

_COMPARED = 1024
"""The longest side at which two pictures are compared, pixels."""

_STEP = 20.0
"""Levels by which a stroke differs from what was there. JPEG at quality 75 stays below on smooth
ground; at edges more is allowed for."""


def given_mask(second: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The mask that a member sent as a picture of its own, in L, 0 or 255, of this size.

    Bright is painted; of a picture with transparent parts the opaque ones, whatever their colour.
    """
    seen = alpha_of(second)
    seen = second.convert("L") if seen is None else seen
    if seen.size != size:
        seen = seen.resize(size, Image.Resampling.BILINEAR)
    return _binary(np.asarray(seen) >= 128)


def transparent_mask(picture: Image.Image) -> Image.Image | None:
    """Where a picture is transparent, in L, 0 or 255; None for one without transparent parts."""
    alpha = alpha_of(picture)
    return None if alpha is None else _binary(np.asarray(alpha) < 128)


def alpha_of(picture: Image.Image) -> Image.Image | None:
    """The alpha channel of a picture that has transparent parts."""
    if not picture.has_transparency_data:
        return None
    alpha = picture.convert("RGBA").getchannel("A")
    return alpha if alpha.getextrema()[0] != 255 else None


def softened(mask: Image.Image, radius: int) -> Image.Image:
    """The mask with an edge that fades outwards. radius: of a Gaussian blur, pixels.

    White stays white, so that nothing of the source shows through within the mask; beyond the
    reach of the blur black stays black.
    """
    if radius == 0:
        return mask
    blurred = mask.filter(ImageFilter.GaussianBlur(radius))
    return ImageChops.lighter(mask, ImageChops.add(blurred, blurred))


def on_grid(mask: Image.Image, multiple: int) -> Image.Image:
    """The mask grown to whole squares of a model's latents, `multiple` pixels on a side.

    Else a latent, which can only be painted or kept, would be kept for its first pixel's sake.
    """
    painted = np.asarray(mask) > 0
    height, width = painted.shape
    below, right = -height % multiple, -width % multiple
    padded = np.pad(painted, ((0, below), (0, right)))
    rows, columns = padded.shape[0] // multiple, padded.shape[1] // multiple
    blocks = padded.reshape(rows, multiple, columns, multiple).any(axis=(1, 3))
    grown = blocks.repeat(multiple, axis=0).repeat(multiple, axis=1)
    return _binary(grown[:height, :width])


def difference_mask(original: Image.Image, painted: Image.Image) -> Image.Image:
    """Where a picture was painted over in an editor: a mask in L, 0 or 255, of the original's size.

    painted: the same picture with strokes over it; it may have been scaled, and saved as a JPEG.
    What a stroke encloses is painted too. Nothing found gives a mask that is black.

    Raises RequestError for a picture of another shape.
    """
    _check_shapes(original.size, painted.size)
    scale = min(1.0, _COMPARED / max(original.size))
    size = tuple(max(1, round(side * scale)) for side in original.size)
    before, after = (_levels(picture, (size[0], size[1])) for picture in (original, painted))
    change = after - before
    # An editor may shift all colours a little; what most of the picture does is not painting.
    change -= np.clip(np.median(change, axis=(0, 1)), -_STEP / 2, _STEP / 2)
    most = np.abs(change).max(axis=2)
    found = _binary(most > _STEP + _allowance(before))
    # Opened to be rid of specks, but not of thin strokes, which differ by more than specks do.
    strokes = _binary(most > 3 * _STEP).filter(ImageFilter.MaxFilter(7))
    found = ImageChops.lighter(_opened(found, 5), ImageChops.darker(found, strokes))
    found = _closed(found, 7)  # to join what a stroke left between its hairs
    found = _binary(_with_holes(np.asarray(found) > 0))
    # Grown by what the antialiased rim of a stroke is wide, which is below the threshold.
    found = found.filter(ImageFilter.MaxFilter(3))
    if found.size != original.size:
        found = found.resize(original.size, Image.Resampling.BILINEAR)
    return _binary(np.asarray(found) >= 128)


def _check_shapes(original: tuple[int, int], painted: tuple[int, int]) -> None:
    ratio = (painted[0] / painted[1]) / (original[0] / original[1])
    if not 1 / (1 + _SHAPES_DIFFER) <= ratio <= 1 + _SHAPES_DIFFER:
        raise RequestError(
            f"The painted picture has another shape, {painted[0]}×{painted[1]} instead of "
            f"{original[0]}×{original[1]}; paint over the picture without cropping it."
        )


def _levels(picture: Image.Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """RGB, [h, w, 3], smoothed by what scaling and JPEG do to fine detail."""
    flat = picture.convert("RGB")
    if flat.size != size:
        flat = flat.resize(size, Image.Resampling.BOX if size[0] < flat.width else _SMOOTH)
    return np.asarray(flat.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float32)


_SMOOTH = Image.Resampling.BICUBIC


def _allowance(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """More for each place with edges, [h, w]: there scaling and JPEG change most."""
    grey = Image.fromarray(levels.mean(axis=2).astype(np.uint8))
    high, low = (
        np.asarray(grey.filter(kind(5)), dtype=np.float32)
        for kind in (ImageFilter.MaxFilter, ImageFilter.MinFilter)
    )
    return np.minimum(0.25 * (high - low), _STEP)


def _opened(mask: Image.Image, width: int) -> Image.Image:
    return mask.filter(ImageFilter.MinFilter(width)).filter(ImageFilter.MaxFilter(width))


def _closed(mask: Image.Image, width: int) -> Image.Image:
    # On a wider canvas: at the edges the erosion would else take what the dilation gave.
    wide = ImageOps.expand(mask, width)
    wide = wide.filter(ImageFilter.MaxFilter(width)).filter(ImageFilter.MinFilter(width))
    return ImageOps.crop(wide, width)


def _with_holes(painted: Bools) -> Bools:
    """What is painted and what that encloses: all that cannot be reached from the border."""
    outside = np.zeros(np.add(painted.shape, 2), dtype=np.bool_)
    outside[[0, -1], :] = outside[:, [0, -1]] = True
    free = np.pad(~painted, 1, constant_values=True)
    while True:
        before = int(outside.sum())
        for axis in (0, 1):
            for way in (slice(None), slice(None, None, -1)):
                _spread(outside, free, axis, way)
        if int(outside.sum()) == before:
            return ~outside[1:-1, 1:-1]


def _spread(outside: Bools, free: Bools, axis: int, way: slice) -> None:
    """Lets `outside` flow along one axis in one direction, through all that is free; in place."""
    lines = (way, slice(None)) if axis == 0 else (slice(None), way)
    reached, open_ = outside[lines], free[lines]
    place = np.arange(reached.shape[axis]).reshape((-1, 1) if axis == 0 else (1, -1))
    source = np.maximum.accumulate(np.where(reached, place, -1), axis=axis)
    barrier = np.maximum.accumulate(np.where(open_, -1, place), axis=axis)
    reached |= open_ & (source > barrier)


def _binary(painted: Bools) -> Image.Image:
    return Image.fromarray(np.where(painted, np.uint8(255), np.uint8(0)))
