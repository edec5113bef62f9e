"""How a picture enters the schedule of a Stable Diffusion-type model."""

import torch

from inference.errors import RequestError
from inference.families.base import Entry
from inference.families.latents import LatentCodec, Posterior, draw_noise
from inference.families.schedulers import SchedulerFactory
from inference.request import GenerationRequest


def enter_diffusion(
    request: GenerationRequest,
    *,
    schedulers: SchedulerFactory,
    scheduler: str | None,
    codec: LatentCodec,
    shape: tuple[int, int, int],
    posterior: Posterior | None,
    generator: torch.Generator,
) -> Entry:
    """As diffusers does: text-to-image at strength 1, else image-to-image.

    Raises RequestError for a scheduler that is unknown or cannot run so many steps.
    """
    device = codec.device
    own = schedulers.make(scheduler)
    try:
        own.set_timesteps(request.steps, device=device)
    except ValueError as error:
        raise RequestError(
            f"{type(own).__name__} cannot run {request.steps} steps: {error}"
        ) from error
    timesteps = own.timesteps
    if request.strength == 1:
        noise = draw_noise(shape, generator, device)
        return Entry(scheduler=own, timesteps=timesteps, latents=noise * own.init_noise_sigma)
    assert posterior is not None
    start = (request.steps - request.steps_run) * own.order
    timesteps = timesteps[start:]
    if hasattr(own, "set_begin_index"):
        own.set_begin_index(start)
    clean = codec.scale(posterior.sample(generator))
    noise = draw_noise(shape, generator, device)
    return Entry(
        scheduler=own, timesteps=timesteps, latents=own.add_noise(clean, noise, timesteps[:1])
    )
