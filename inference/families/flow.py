"""How a picture enters the schedule of a flow-matching model, and what is shared between those.

Flow matching (Lipman et al. 2022, arXiv:2210.02747; as rectified flow in Esser et al. 2024,
arXiv:2403.03206): x_σ = (1 − σ) x₀ + σ ε, and the model predicts the velocity v = ε − x₀.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from inference.families.adapters import Adapters
from inference.families.base import Entry, Modules
from inference.families.compiled import CompiledForward
from inference.families.conditioning import Row
from inference.families.hole import Hole, Keep
from inference.families.latents import LatentCodec, Posterior
from inference.families.noise import first_noise
from inference.families.prompts import Prompts
from inference.families.schedulers import SchedulerFactory
from inference.request import GenerationRequest


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowModel(ABC):
    """A flow-matching transformer with an autoencoder and text encoders; SD3 and Flux are such.

    adapters: the LoRAs of the transformer and of CLIP.
    dtype: of the transformer's weights; latents and schedulers are fp32 whatever it is.
    compiled: the transformer's forward pass where it is to be compiled.
    """

    transformer: Any
    codec: LatentCodec
    prompts: Prompts
    adapters: Adapters
    schedulers: SchedulerFactory
    device: torch.device
    dtype: torch.dtype
    compiled: CompiledForward | None = None

    even_sigmas: ClassVar[bool]
    """Whether the noise levels, before they are shifted, go evenly from 1 to 1/steps; else they
    are the scheduler's own."""

    @property
    def modules(self) -> Modules:
        """The transformer, the autoencoder and the text encoders."""
        return Modules(
            denoiser=self.transformer,
            autoencoder=self.codec.network,
            text_encoders=self.prompts.encoders.networks,
        )

    @property
    def sees_hole(self) -> bool:
        """Never: what is kept is put back after each step."""
        return False

    @property
    @abstractmethod
    def patch(self) -> int:
        """Latents on a side of what one token of the transformer covers."""

    def enter(
        self,
        request: GenerationRequest,
        *,
        scheduler: str | None,
        shape: tuple[int, int, int],
        posterior: Posterior | None,
        generator: torch.Generator,
        hole: Hole | None = None,
    ) -> Entry:
        """Where diffusers' pipelines for it enter the schedule; see `DiffusionModel`."""
        own = self._schedule(scheduler, request.steps, shape)
        start = 0 if request.strength == 1 else first_step(request.steps, request.strength)
        own.set_begin_index(start)
        timesteps = own.timesteps[start:]
        if request.strength == 1 and hole is None:
            noise = first_noise(request, shape, generator, self.device)
            return Entry(scheduler=own, timesteps=timesteps, latents=noise)
        assert posterior is not None
        clean = self.codec.scale(posterior.sample(generator))
        noise = first_noise(request, shape, generator, self.device)
        latents = noise
        if request.strength < 1:
            latents = own.scale_noise(clean, timesteps[:1], noise)
        keep = None if hole is None else Keep(clean=clean, noise=noise, mask=hole.mask)
        return Entry(scheduler=own, timesteps=timesteps, latents=latents, keep=keep)

    def _schedule(self, name: str | None, steps: int, shape: tuple[int, int, int]) -> Any:
        """A scheduler of its own for a picture whose latents have this shape."""
        own = self.schedulers.make(name)
        options: dict[str, Any] = {"num_inference_steps": steps}
        if self.even_sigmas:
            options = {"sigmas": np.linspace(1.0, 1 / steps, steps)}
        if own.config.use_dynamic_shifting:
            patches = (shape[1] // self.patch) * (shape[2] // self.patch)
            options["mu"] = shift_of(own.config, patches=patches)
        own.set_timesteps(device=self.device, **options)
        return own


def first_step(steps: int, strength: float) -> int:
    """Index of the first of `steps` that runs, for 0 < strength ≤ 1; at least one is left.

    The pipelines of Stable Diffusion round the number of steps that run down, those of the flow
    models up, so that these run one more where strength × steps is no whole number.
    """
    # The difference of a tiny strength is rounded to all of the steps.
    return min(int(max(steps - min(steps * strength, steps), 0)), steps - 1)


def shift_of(config: Any, *, patches: int) -> float:
    """How far the noise levels of a picture of so many patches are shifted upwards.

    A line through the two sizes that the configuration names: larger pictures need more noise
    for the same uncertainty (Esser et al. 2024, section 5.3.2).
    """
    slope = (config.max_shift - config.base_shift) / (
        config.max_image_seq_len - config.base_image_seq_len
    )
    return patches * slope + (config.base_shift - slope * config.base_image_seq_len)


def straight_on(scheduler: Any, latents: Tensor, timestep: Tensor, velocity: Tensor) -> Tensor:
    """Where a straight line from these latents leads to: x₀ = x_σ − σ v."""
    sigma = timestep / scheduler.config.num_train_timesteps
    return latents - sigma.to(latents.device) * velocity


def join_pooled(rows: Iterable[Row]) -> Tensor:
    """The pooled prompts of all rows, [rows, width]."""
    return torch.cat([row.pooled for row in rows if row.pooled is not None])
