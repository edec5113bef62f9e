"""How a picture enters the schedule of a Stable Diffusion-type model."""

import torch
from torch import Tensor

from inference.errors import RequestError
from inference.families.base import Entry
from inference.families.hole import Hole, Keep
from inference.families.latents import LatentCodec, Posterior
from inference.families.noise import first_noise
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
    hole: Hole | None = None,
) -> Entry:
    """As diffusers does: text-to-image at strength 1, else image-to-image; inpainting of a hole.

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
    painter = request.strength < 1 or (hole is not None and hole.kept is None)
    clean = _sample(codec, posterior, generator) if painter else None
    noise = first_noise(request, shape, generator, device)
    if request.strength == 1 or clean is None:
        latents = noise * own.init_noise_sigma
    else:
        latents = own.add_noise(clean, noise, timesteps[:1])
    keep, shown = None, None
    if hole is not None and hole.kept is not None:
        shown = torch.cat([hole.mask, _sample(codec, hole.kept, generator)], dim=1)
    elif hole is not None and clean is not None:
        _sample(codec, posterior, generator)  # diffusers draws it here too, and does not use it
        keep = Keep(clean=clean, noise=noise, mask=hole.mask)
    return Entry(scheduler=own, timesteps=timesteps, latents=latents, keep=keep, shown=shown)


def _sample(codec: LatentCodec, posterior: Posterior | None, generator: torch.Generator) -> Tensor:
    """A draw as the denoiser wants it."""
    assert posterior is not None
    return codec.scale(posterior.sample(generator))
