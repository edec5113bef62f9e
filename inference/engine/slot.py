"""One picture in flight."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.errors import RequestError
from inference.families.conditioning import Row
from inference.families.latents import Posterior
from inference.families.model import UNetModel
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
    def shape(self) -> tuple[int, ...]:
        """Slots of equal shape can share a forward pass."""
        return (*self.latents.shape[1:], *self.rows[0].shape)

    def model_input(self) -> Tensor:
        """The latents as the model wants them at this timestep."""
        scaled: Tensor = self.scheduler.scale_model_input(self.latents, self.timestep)
        return scaled

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
    *,
    job_id: int,
    index: int,
    request: GenerationRequest,
    scheduler_name: str | None,
    rows: tuple[Row, ...],
    model: UNetModel,
    shape: tuple[int, int, int],
    posterior: Posterior | None,
) -> Slot:
    """Enters the schedule where diffusers does: text-to-image at strength 1, else image-to-image.

    The random numbers are drawn in diffusers' order: the posterior's, the noise, each step's.
    Raises RequestError for a scheduler that cannot run so many steps.
    """
    generator = torch.Generator().manual_seed(request.seed_of(index))
    scheduler = model.schedulers.make(scheduler_name)
    try:
        scheduler.set_timesteps(request.steps, device=model.device)
    except ValueError as error:
        raise RequestError(
            f"{type(scheduler).__name__} cannot run {request.steps} steps: {error}"
        ) from error
    timesteps = scheduler.timesteps
    if request.strength == 1:
        noise = _noise(shape, generator, model.device)
        latents = noise * scheduler.init_noise_sigma
    else:
        assert posterior is not None
        start = (request.steps - request.steps_run) * scheduler.order
        timesteps = timesteps[start:]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start)
        clean = model.codec.scale(posterior.sample(generator))
        noise = _noise(shape, generator, model.device)
        latents = scheduler.add_noise(clean, noise, timesteps[:1])
    return Slot(
        job_id=job_id,
        index=index,
        rows=rows,
        guidance=request.guidance,
        scheduler=scheduler,
        timesteps=timesteps,
        generator=generator,
        latents=latents,
    )


def _noise(shape: tuple[int, int, int], generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randn((1, *shape), generator=generator).to(device)


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
