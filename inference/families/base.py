"""What the engine asks of a model, whatever its family."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from inference.families.conditioning import Row
from inference.families.hole import Hole, Keep
from inference.families.latents import LatentCodec, Posterior
from inference.families.schedulers import SchedulerFactory
from inference.request import GenerationRequest


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Entry:
    """Where a picture enters its schedule.

    scheduler: a diffusers scheduler of its own, set to the first of `timesteps`.
    timesteps: those that are to run, at least one.
    latents: [1, C, h, w], fp32, noised for the first timestep.
    keep: what each step puts back, where a mask says so. shown: [1, n, h, w], further channels of
        the input for a model that is shown the hole.
    """

    scheduler: Any
    timesteps: Tensor
    latents: Tensor
    keep: Keep | None = None
    shown: Tensor | None = None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Modules:
    """The networks of a model, by what they are used for.

    denoiser: runs in every step. autoencoder, text_encoders: before and after them.
    """

    denoiser: Any
    autoencoder: Any
    text_encoders: tuple[Any, ...]


Line = tuple[Tensor, Tensor, Row]
"""One row of a forward pass: latents [1, C, h, w], their timestep [] and their conditioning."""


class DiffusionModel(Protocol):
    """A model whose denoising steps can be run one at a time, those of many pictures together."""

    @property
    def codec(self) -> LatentCodec:
        """Pictures to latents and back."""

    @property
    def schedulers(self) -> SchedulerFactory:
        """The schedulers that suit it."""

    @property
    def device(self) -> torch.device:
        """Where it works."""

    @property
    def sees_hole(self) -> bool:
        """Whether the denoiser is always shown a mask and what is kept, as inpainting models are;
        else what is kept is put back after each of its steps."""

    @property
    def modules(self) -> Modules:
        """Its networks, for those who watch and save memory."""

    def rows(self, request: GenerationRequest, *, width: int, height: int) -> tuple[Row, ...]:
        """What steers a picture of this size in pixels: the unconditional row, where guidance
        asks for one, and the conditional one. Raises RequestError for a prompt it cannot read.
        """

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
        """Enters the schedule where diffusers' pipelines for this family do.

        scheduler: a name, or None for the model's own. shape: of the latents, (C, h, w).
        posterior: of the source; None at strength 1, which is text-to-image, unless a hole is to
        be painted by a model that does not see it. hole: where to paint; None is everywhere, and
        never None for a model that sees it. The random numbers come from the generator in
        diffusers' order: the posterior's, the noise, the hole's posterior, each step's.

        Raises RequestError for a scheduler that does not suit, or that cannot run so many steps.
        """

    def predict(self, lines: Sequence[Line]) -> Tensor:
        """One forward pass over lines of one kind. Gives [lines, C, h, w], fp32."""
