"""What a pass of the model costs in memory: learned from those that ran."""

import math
from collections.abc import Iterator
from enum import Enum
from typing import Any

from inference.families.base import Modules

Size = tuple[int, int, int]
"""The shape of a picture's latents: channels, height, width."""

TIMES = 3
"""How often passes of one shape are watched: the first may allocate what later ones reuse."""


class Pass(Enum):
    """What the model is used for."""

    ENCODE = "encode"
    DENOISE = "denoise"
    STEER = "denoise by a ControlNet"
    DECODE = "decode"

    @property
    def denoises(self) -> bool:
        """Whether it is one of the denoiser, not of the autoencoder."""
        return self in (Pass.DENOISE, Pass.STEER)


_VALUES = {Pass.ENCODE: 6, Pass.DENOISE: 50, Pass.STEER: 60, Pass.DECODE: 10}
"""Values that are in memory at once, for each place and channel of a network's widest layers.
Measured as the growth of a process with Stable Diffusion's UNet (at 64 and 160 channels instead
of 320: 42 to 53 at 64×64 latents) and autoencoder (5 and 9.5 at 512²), in fp32 on a CPU. What a
ControlNet adds at the levels of such a UNet is 5 by its shapes, and there once more as the sum."""


class Costs:
    """Forecasts the memory that a pass takes beside the weights.

    A pass of a shape that ran before takes what it took. Of another shape it takes what the most
    similar one took, in proportion to rows × latent places. Before any ran: `_VALUES` for each
    channel of the widest layers at each place where they work, which for an autoencoder is a
    pixel, for a UNet a latent and for a transformer a patch of 2×2 latents.
    """

    def __init__(self, modules: Modules, factor: int) -> None:
        """factor: pixels on a side of one latent."""
        coder = modules.autoencoder
        pixels = factor**2 * _channels(coder, 128) * _bytes(coder)
        places = _channels(modules.denoiser, 320) * _bytes(modules.denoiser)
        self._stated = {
            use: values * (places if use.denoises else pixels) for use, values in _VALUES.items()
        }
        self._seen: dict[tuple[Pass, int, Size], tuple[int, int]] = {}

    def forecast(self, use: Pass, rows: int, size: Size) -> int:
        """Bytes for `rows` rows or pictures of this size."""
        known = self._seen.get((use, rows, size))
        if known is not None:
            return known[0]
        work = _work(rows, size)
        others = [
            (abs(math.log(work / other)), peak * work / other) for other, peak in self._ran(use)
        ]
        return math.ceil(min(others)[1] if others else self._stated[use] * work)

    def _ran(self, use: Pass) -> Iterator[tuple[int, int]]:
        """Work and peak of the passes that were watched."""
        for (kind, rows, size), (peak, _) in self._seen.items():
            if kind is use:
                yield _work(rows, size), peak

    def wants(self, use: Pass, rows: int, size: Size) -> bool:
        """Whether such a pass should be watched."""
        return self._seen.get((use, rows, size), (0, 0))[1] < TIMES

    def learn(self, use: Pass, rows: int, size: Size, peak: int) -> None:
        """peak: bytes that such a pass took."""
        most, times = self._seen.get((use, rows, size), (0, 0))
        self._seen[use, rows, size] = max(most, peak), times + 1


def _work(rows: int, size: Size) -> int:
    return rows * size[1] * size[2]


def _channels(module: Any, otherwise: int) -> float:
    """Of the widest layers, for each place where those work; `otherwise` where nothing tells."""
    config = module.config
    blocks = getattr(config, "block_out_channels", None) or getattr(
        config, "decoder_block_out_channels", None
    )
    if blocks:
        return float(blocks[0])
    heads = getattr(config, "num_attention_heads", None)
    if isinstance(heads, int):
        return heads * int(config.attention_head_dim) / 4  # a token covers 2×2 latents
    return otherwise


def _bytes(module: Any) -> int:
    """Of one value."""
    return int(module.dtype.itemsize)
