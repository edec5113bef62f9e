"""One picture in flight."""

import inspect
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.engine.job import Job
from inference.families.base import DiffusionModel
from inference.families.conditioning import Row
from inference.families.flow import straight_on
from inference.families.hole import Hole, Keep, latent_mask


@dataclass(kw_only=True, slots=True, eq=False)
class Slot:
    """A picture's latents, its own scheduler and its own random numbers.

    job, index: which picture of which job. life: of the job, when this was opened.
    rows: the unconditional and the conditional one, or the latter alone.
    kind: slots of equal kind can share a forward pass.
    width_kind: those of equal width kind hide the same from a comparison of passes of different
        widths; see `Widths`. None: there are no wide passes, because this is no CPU, or because a
        second picture steers the rows, by factors that may be 0 for some layers.
    latents: [1, C, h, w], fp32. timesteps: those that are to run; done: how many have.
    draws: whether a step of the scheduler takes random numbers.
    keep, shown: see `Entry`.
    estimate: what the finished latents would be by the last step, for previews.
    """

    job: Job
    index: int
    life: int
    rows: tuple[Row, ...]
    kind: tuple[Hashable, ...]
    width_kind: tuple[Hashable, ...] | None
    scheduler: Any
    draws: bool
    timesteps: Tensor
    generator: torch.Generator
    latents: Tensor
    keep: Keep | None = None
    shown: Tensor | None = None
    done: int = 0
    estimate: Tensor | None = None

    @property
    def live(self) -> bool:
        """Whether it is still wanted: its job is not over and did not start over."""
        return self.life == self.job.life and not self.job.over

    @property
    def runs(self) -> bool:
        """Whether a forward pass is wanted."""
        return self.done < len(self.timesteps) and self.live

    @property
    def finished(self) -> bool:
        """Whether only decoding is left."""
        return self.done >= len(self.timesteps)

    @property
    def timestep(self) -> Tensor:
        """The one that is next."""
        return self.timesteps[self.done]

    def model_input(self) -> Tensor:
        """The latents as the model wants them at this timestep."""
        scale = getattr(self.scheduler, "scale_model_input", None)  # flow matching needs none
        latents = self.latents if scale is None else scale(self.latents, self.timestep)
        return latents if self.shown is None else torch.cat([latents, self.shown], dim=1)

    def advance(self, predictions: Tensor) -> None:
        """One scheduler step. predictions: [rows, C, h, w], in the order of `rows`."""
        prediction = predictions[-1:]
        if len(self.rows) == 2:
            away = predictions[:1]
            prediction = away + self.job.request.guidance * (prediction - away)
        options = {"generator": self.generator} if self.draws else {}
        step = self.scheduler.step(prediction, self.timestep, self.latents, **options)
        if hasattr(self.scheduler, "scale_noise"):  # so only those of flow matching call it
            self.estimate = straight_on(self.scheduler, self.latents, self.timestep, prediction)
        else:
            self.estimate = _estimate(step, self.scheduler)
        self.latents = step.prev_sample
        self.done += 1
        if self.keep is not None:
            following = self.timesteps[self.done : self.done + 1]
            self.latents = self.keep.put_back(self.latents, self.scheduler, following)
            self.estimate = self.keep.finish(self.estimate)


def open_slot(model: DiffusionModel, job: Job, index: int, scheduler: str | None) -> Slot:
    """Picture `index` of an encoded job where it enters its schedule; see `DiffusionModel.enter`.

    Raises RequestError for a scheduler that does not suit.
    """
    request = job.request.single(index)
    generator = torch.Generator().manual_seed(request.seed)
    entry = model.enter(
        request,
        scheduler=scheduler,
        shape=job.size,
        posterior=job.posterior,
        generator=generator,
        hole=_hole(model, job),
    )
    return Slot(
        job=job,
        index=index,
        life=job.life,
        rows=job.rows,
        kind=(*job.size, *job.rows[0].kind),
        width_kind=_width_kind(job),
        scheduler=entry.scheduler,
        draws=_draws(entry.scheduler),
        timesteps=entry.timesteps,
        generator=generator,
        latents=entry.latents,
        keep=entry.keep,
        shown=entry.shown,
    )


def _width_kind(job: Job) -> tuple[Hashable, ...] | None:
    if any(row.control is not None or row.image is not None for row in job.rows):
        return None
    if job.rows[0].tokens.device.type != "cpu":  # where looking at values would hold everything up
        return None
    empty = (not bool(row.tokens.any()) for row in job.rows)  # SDXL's empty negative prompt
    return (*job.size, *job.rows[0].kind, *empty)


def _hole(model: DiffusionModel, job: Job) -> Hole | None:
    """Where the job paints; for a model that sees it also where that is everywhere."""
    if job.request.mask is None and not job.sees_hole:
        return None
    assert job.task is not None
    mask = latent_mask(job.task.hole, model.codec.factor, model.device)
    return Hole(mask=mask, kept=job.kept)


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
