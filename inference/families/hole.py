"""Painting within a mask: which latents are painted, and what the others are kept by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.families.latents import Posterior
from inference.families.sending import send


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hole:
    """Where a picture is painted.

    mask: [1, 1, h, w], fp32: 1 where the latents are painted, 0 where they are kept.
    kept: of the source with the hole in grey, for a model that is shown it; else None.
    """

    mask: Tensor
    kept: Posterior | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Keep:
    """The latents that a model which knows of no hole must not change.

    clean, noise: [1, C, h, w]: the source's, and what the picture began with. mask: of the hole.
    """

    clean: Tensor
    noise: Tensor
    mask: Tensor

    def put_back(self, latents: Tensor, scheduler: Any, timestep: Tensor) -> Tensor:
        """The latents with what is kept as noisy as this timestep, [1], wants it.

        After each step, as diffusers' inpainting pipelines do (the idea is that of RePaint,
        Lugmayr et al. 2022, arXiv:2201.09865, equation 8). timestep: [0] after the last one.
        """
        if not len(timestep):
            return self.finish(latents)
        if hasattr(scheduler, "scale_noise"):  # so flow matching calls it
            known = scheduler.scale_noise(self.clean, timestep, self.noise)
        else:
            known = scheduler.add_noise(self.clean, self.noise, timestep)
        return (1 - self.mask) * known + self.mask * latents

    def finish(self, latents: Tensor) -> Tensor:
        """Finished latents with the source's own where it is kept."""
        return (1 - self.mask) * self.clean + self.mask * latents


def latent_mask(painted: NDArray[np.bool_], factor: int, device: torch.device) -> Tensor:
    """The mask of a hole. painted: of each pixel, [H, W]; factor: pixels on a side of a latent.

    Each latent goes by its first pixel, which is what diffusers' interpolation comes to.
    """
    mask = np.ascontiguousarray(painted[::factor, ::factor], dtype=np.float32)
    return send(torch.from_numpy(mask)[None, None], device)
