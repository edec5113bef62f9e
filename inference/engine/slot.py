"""One picture in flight."""

import inspect
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.families.base import DiffusionModel
from inference.families.conditioning import Row
from inference.families.latents import Posterior
from inference.request import GenerationRequest


@dataclass(kw_only=True, slots=True, eq=False)
class Slot:
    """A picture's latents, its own scheduler and its own random numbers.

    job_id, index: which picture of which job.
    rows: the unconditional and the conditional one, or the latter alone.
    latents: [1, C, h, w], fp32. timesteps: those that are to run; done: how many have.
    estimate: what the finished latents would be by the last step, for previews.
    """

    job_id: int
    index: int
    rows: tuple[Row, ...]
    guidance: float
    scheduler: Any
    timesteps: Tensor
    generator: torch.Generator
    latents: Tensor
    done: int = 0
    estimate: Tensor | None = None

    @property
    def finished(self) -> bool:
        """Whether only decoding is left."""
        return self.done >= len(self.timesteps)

    @property
    def timestep(self) -> Tensor:
        """The one that is next."""
        return self.timesteps[self.done]

    @property
    def kind(self) -> tuple[Hashable, ...]:
        """Slots of equal kind can share a forward pass."""
        return (*self.latents.shape[1:], *self.rows[0].kind)

    def model_input(self) -> Tensor:
        """The latents as the model wants them at this timestep."""
        scale = getattr(self.scheduler, "scale_model_input", None)  # flow matching needs none
        return self.latents if scale is None else scale(self.latents, self.timestep)

    def advance(self, predictions: Tensor) -> None:
        """One scheduler step. predictions: [rows, C, h, w], in the order of `rows`."""
        prediction = predictions[-1:]
        if len(self.rows) == 2:
            away = predictions[:1]
            prediction = away + self.guidance * (prediction - away)
        options = {"generator": self.generator} if _draws(self.scheduler) else {}
        step = self.scheduler.step(prediction, self.timestep, self.latents, **options)
        self.latents = step.prev_sample
        self.estimate = _estimate(step, self.scheduler)
        self.done += 1


def open_slot(
    model: DiffusionModel,
    request: GenerationRequest,
    *,
    job_id: int,
    index: int,
    scheduler: str | None,
    rows: tuple[Row, ...],
    shape: tuple[int, int, int],
    posterior: Posterior | None,
) -> Slot:
    """Picture `index` of a request where it enters its schedule; see `DiffusionModel.enter`."""
    generator = torch.Generator().manual_seed(request.seed_of(index))
    entry = model.enter(
        request, scheduler=scheduler, shape=shape, posterior=posterior, generator=generator
    )
    return Slot(
        job_id=job_id,
        index=index,
        rows=rows,
        guidance=request.guidance,
        scheduler=entry.scheduler,
        timesteps=entry.timesteps,
        generator=generator,
        latents=entry.latents,
    )


def _draws(scheduler: Any) -> bool:
    """Whether this scheduler's step takes a generator."""
    return "generator" in inspect.signature(scheduler.step).parameters


def _estimate(step: Any, scheduler: Any) -> Tensor:
    """The clean latents that this step aimed at, else the latents as they are."""
    for name in ("pred_original_sample", "denoised"):
        found = getattr(step, name, None)
        if found is not None:
            return found
    converted = getattr(scheduler, "model_outputs", None)
    aims_at_clean = scheduler.config.get("algorithm_type") == "dpmsolver++" or (
        scheduler.config.get("predict_x0") is True
    )
    if converted and aims_at_clean and converted[-1] is not None:
        return converted[-1]
    return step.prev_sample
