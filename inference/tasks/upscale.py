"""A larger picture: faithful, or with detail that a model paints into it."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from inference.model_info import ModelInfo
from inference.options import Upscale
from inference.request import MAX_SEED, GenerationRequest
from inference.result import GenerationResult
from inference.tasks.faithful import enlarged
from inference.tasks.files import as_png, finished, opened
from inference.tasks.match import matched
from inference.tasks.programs import Product, Program, Round
from inference.tasks.tiles import Pixels, Tiling
from inference.tasks.unpainted import refuse_size, unpainted

KEPT = 4
"""What is wider than this many pixels of the source stays as it is there, whatever is painted."""

_SEED_STEP = 0x9E3779B1
"""Between two tiles' seeds: odd and large, so that pictures of one request share none."""


def upscale(request: GenerationRequest, info: ModelInfo) -> Program:
    """Creativity 0 is `enlarged`, without a round.

    Above, a model paints over that picture in overlapping tiles, all in one round, at the strength
    that `Upscale.strength` makes of the creativity. Of each tile only what is finer than KEPT
    pixels of the source is taken, so that neither colours nor tiles drift.
    """
    assert isinstance(request.options, Upscale)
    assert request.image is not None
    factor = request.options.factor
    refuse_size(request, f"The picture becomes {factor}× as large")
    source = opened(request.image).convert("RGB")
    size = request.size(source.size, info.pixel_budget)
    larger = enlarged(source, factor)
    if request.options.creativity == 0:
        return unpainted(request, larger, why="at creativity 0 no model is asked")
    tiling = Tiling.of(size, info)
    results = yield Round(requests=_tiles(request, tiling, larger))
    images = []
    for index in range(request.count):
        picture = tiling.joined(_detailed(tiling, larger, results, index, factor))
        if request.match_colours:
            picture = matched(picture, source)
        images.append(finished(picture, request.seed_of(index)))
    return Product(images=tuple(images))


def _tiles(
    request: GenerationRequest, tiling: Tiling, picture: Image.Image
) -> list[GenerationRequest]:
    """A request for each tile, of as many pictures as were asked for."""
    assert request.options is not None
    plain = request.change(
        task="img2img",
        options=None,
        match_colours=False,
        strength=request.options.strength(request.strength),
        graded=True,  # it is said by the creativity, and means something
        width=tiling.tile[0],
        height=tiling.tile[1],
    )
    return [
        plain.change(image=as_png(tile), seed=(request.seed + i * _SEED_STEP) % (MAX_SEED + 1))
        for i, tile in enumerate(tiling.cut(picture))
    ]


def _detailed(
    tiling: Tiling,
    picture: Image.Image,
    results: Sequence[GenerationResult],
    index: int,
    factor: int,
) -> Iterator[Pixels]:
    """Each tile of picture `index` as it was painted, but coarsely as it was."""
    for tile, result in zip(tiling.cut(picture), results, strict=True):
        painted = np.asarray(opened(result.images[index].data), dtype=np.float32)
        yield painted + _coarse(np.asarray(tile, dtype=np.float32) - painted, KEPT * factor)


def _coarse(pixels: Pixels, step: int) -> Pixels:
    """Without what is finer than `step` pixels."""
    height, width = pixels.shape[:2]
    small = (max(1, round(width / step)), max(1, round(height / step)))
    planes = []
    for channel in range(3):
        plane = Image.fromarray(np.ascontiguousarray(pixels[..., channel]))
        reduced = plane.resize(small, Image.Resampling.BICUBIC)
        planes.append(np.asarray(reduced.resize((width, height), Image.Resampling.BICUBIC)))
    return np.stack(planes, axis=2)
