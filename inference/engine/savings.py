"""What a model can do without, or do in pieces, to need less memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from inference.families.base import Modules

SMALLEST_TILE = 32
"""Latents on a side: smaller tiles would show in the picture."""


class Savings:
    """Turns them on and off; nobody else does.

    factor: pixels on a side of one latent. device: where the model works. away: where those of
    its parts are kept that are not in use, by default the CPU.
    """

    def __init__(
        self,
        modules: Modules,
        factor: int,
        device: torch.device,
        *,
        away: torch.device | None = None,
    ) -> None:
        self._modules = modules
        self._factor = factor
        self._device = device
        self._away = away or torch.device("cpu")
        self._processors: Any = None
        self._offloaded = False

    @property
    def can_slice(self) -> bool:
        """Whether attention can be worked out a head at a time."""
        return hasattr(self._modules.denoiser, "set_attention_slice")

    def slice_attention(self, sliced: bool) -> None:
        """A head at a time, or all of them at once."""
        if sliced == (self._processors is not None):
            return
        denoiser = self._modules.denoiser
        if sliced:
            self._processors = dict(denoiser.attn_processors)
            denoiser.set_attention_slice("max")
        else:
            denoiser.set_attn_processor(self._processors)
            self._processors = None

    def smaller_tile(self, tile: int | None, longest: int) -> int | None:
        """The next smaller side of a tile, None where there is none; in latents.

        tile: the side so far, None for the whole picture. longest: the picture's longer side.
        """
        coder = self._modules.autoencoder
        if not hasattr(coder, "tile_latent_min_size"):
            return None
        # A half, and a multiple of 8: AutoencoderTiny lets tiles overlap by an eighth.
        smaller = -(-(tile or longest) // 16) * 8
        smaller = max(smaller, SMALLEST_TILE)
        return smaller if smaller < (tile or longest) else None

    def offload(self) -> bool:
        """From now on text encoders and autoencoder are on the device only while they work.

        The denoiser stays: moving it would take longer than its work. False where this was
        done before or helps nothing.
        """
        if self._offloaded or self._device == self._away:
            return False
        self._offloaded = True
        for module in (self._modules.autoencoder, *self._modules.text_encoders):
            module.to(self._away)
        return True

    @contextmanager
    def text_encoders(self) -> Iterator[None]:
        """While they are in use."""
        with self._present(*self._modules.text_encoders):
            yield

    @contextmanager
    def autoencoder(self, tile: int | None) -> Iterator[None]:
        """While it is in use. tile: the side of what it works on at once, in latents, or None."""
        coder = self._modules.autoencoder
        if tile is not None:
            coder.enable_tiling()
            coder.tile_latent_min_size = tile
            coder.tile_sample_min_size = tile * self._factor
        try:
            with self._present(coder):
                yield
        finally:
            if tile is not None:
                coder.disable_tiling()

    @contextmanager
    def _present(self, *modules: Any) -> Iterator[None]:
        if not self._offloaded:
            yield
            return
        try:
            for module in modules:
                module.to(self._device)
            yield
        finally:
            for module in modules:
                module.to(self._away)
