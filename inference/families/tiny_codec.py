"""TAESD: an autoencoder so small that encoding and decoding cost next to nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from inference.families.latents import LatentCodec, Posterior


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Certain(Posterior):
    """What an encoder says that leaves nothing to chance: the latents themselves."""

    def sample(self, generator: torch.Generator) -> Tensor:
        """The latents; nothing is drawn, as with diffusers' pipelines."""
        return self.mean


class TinyCodec(LatentCodec):
    """An AutoencoderTiny (TAESD, github.com/madebyollin/taesd).

    It was trained to give and to take latents as the denoiser knows them, so its own scaling
    factor is 1; and its encoder is a plain function.
    """

    def _posterior(self, image: Tensor) -> Posterior:
        latents = self._vae.encode(image).latents.float()
        return Certain(mean=latents, deviation=torch.zeros_like(latents))
