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
        # On a GPU they would be read back, which waits for it, in each step of DDIM, LCM and PNDM.
        own.set_timesteps(request.steps, device="cpu")
    except ValueError as error:
        raise RequestError(
            f"{type(own).__name__} cannot run {request.steps} steps: {error}"
        ) from error
    timesteps, start = own.timesteps, 0
    if request.strength < 1:
        start = (request.steps - request.steps_run) * own.order
        timesteps = timesteps[start:]
    if hasattr(own, "set_begin_index"):
        # Else it looks the first timestep up, and Karras sigmas may have that one twice.
        own.set_begin_index(start)
    if request.strength == 1:
        noise = draw_noise(shape, generator, device)
        return Entry(scheduler=own, timesteps=timesteps, latents=noise * own.init_noise_sigma)
    assert posterior is not None
    clean = codec.scale(posterior.sample(generator))
    noise = draw_noise(shape, generator, device)
    return Entry(
        scheduler=own, timesteps=timesteps, latents=own.add_noise(clean, noise, timesteps[:1])
    )
