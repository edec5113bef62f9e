"""Pictures to latents and back, through a model's autoencoder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.families.sending import send

Pixels = NDArray[np.uint8]
"""Height × width × 3, 8-bit RGB."""

Levels = NDArray[np.uint8] | NDArray[np.float32]
"""Likewise, or with levels between those that 8 bits have."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Posterior:
    """What the encoder says of a picture: a Gaussian for each latent, [1, C, h, w] each."""

    mean: Tensor
    deviation: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """One draw, from a generator on the CPU so that every device draws the same."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + self.deviation * send(noise, self.mean.device)


def draw_noise(
    shape: tuple[int, int, int], generator: torch.Generator, device: torch.device
) -> Tensor:
    """[1, *shape] of fp32 noise, drawn on the CPU so that every device sees the same."""
    return send(torch.randn((1, *shape), generator=generator), device)


class LatentCodec:
    """An AutoencoderKL with its scale, shift and channel count; latents are fp32 outside."""

    def __init__(self, vae: Any) -> None:
        self._vae = vae
        self.device = torch.device(vae.device)
        """Where it works; between two uses the autoencoder may be kept elsewhere."""
        config = vae.config
        self.channels = int(config.latent_channels)
        self.factor = 2 ** (len(config.block_out_channels) - 1)
        self._scaling = float(config.scaling_factor)
        self._shift = getattr(config, "shift_factor", None)
        self._mean = self._per_channel(getattr(config, "latents_mean", None))
        self._std = self._per_channel(getattr(config, "latents_std", None))

    @property
    def network(self) -> Any:
        """The autoencoder itself."""
        return self._vae

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        return self._vae.dtype

    def shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Of the latents of a picture of this size in pixels, multiples of `factor`."""
        return self.channels, height // self.factor, width // self.factor

    def encode(self, pictures: Sequence[Levels]) -> list[Posterior]:
        """The posteriors of pictures of one size, whose sides are multiples of `factor`."""
        images = torch.from_numpy(np.stack(pictures).astype(np.float32) / 255.0)
        images = (2.0 * images.permute(0, 3, 1, 2) - 1.0).to(self.device, self._vae.dtype)
        together = self._posterior(images)
        each = zip(together.mean.split(1), together.deviation.split(1), strict=True)
        return [replace(together, mean=mean, deviation=deviation) for mean, deviation in each]

    def _posterior(self, image: Tensor) -> Posterior:
        """What the encoder says of [B, 3, h, w] in -1…1; other autoencoders say it otherwise."""
        posterior = self._vae.encode(image).latent_dist
        return Posterior(mean=posterior.mean.float(), deviation=posterior.std.float())

    def scale(self, sample: Tensor) -> Tensor:
        """A posterior's sample as the denoiser wants it."""
        if self._mean is not None and self._std is not None:
            return (sample - self._mean) * self._scaling / self._std
        if self._shift is not None:
            return (sample - self._shift) * self._scaling
        return self._scaling * sample

    def unscale(self, latents: Tensor) -> Tensor:
        """The inverse of `scale`."""
        if self._mean is not None and self._std is not None:
            return latents * self._std / self._scaling + self._mean
        if self._shift is not None:
            return latents / self._scaling + self._shift
        return latents / self._scaling

    def decode(self, latents: Tensor) -> list[Pixels]:
        """Pictures of a batch of scaled latents, [B, C, h, w]."""
        image = self._vae.decode(self.unscale(latents).to(self._vae.dtype), return_dict=False)[0]
        image = (image.float() * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
        return [(picture * 255).round().astype(np.uint8) for picture in image]

    def _per_channel(self, values: list[float] | None) -> Tensor | None:
        if values is None:
            return None
        return torch.tensor(values, device=self.device).view(1, -1, 1, 1)
