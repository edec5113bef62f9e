"""A trained UNet on another noise schedule.

Latents noised to the same signal-to-noise ratio are the same latents, whatever the schedule calls
that step (Kingma et al. 2021, "Variational Diffusion Models", section 5.1). So a UNet goes over to
another schedule by its time embedding alone: for each new step that has to say what it said for the
old step as noisy. It is fitted to that, and nothing else of the UNet changes.
"""

import copy

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from inference.errors import ModelError
from inference.training.noising import Noising

ITERATIONS = 1000
"""At most; half a minute for pocket's embedding, minutes for Stable Diffusion's."""


def same_noise(old: Noising, new: Noising) -> Tensor:
    """For each of the new steps the old one of the same signal-to-noise ratio, in fractions; both
    ratios fall from step to step.
    """
    ratios = [one.ratio(torch.arange(one.steps)).double().log() for one in (old, new)]
    before, after = (ratio.clamp(-50, 50) for ratio in ratios)
    later = torch.searchsorted(-before, -after).clamp(1, old.steps - 1)
    low, high = before[later - 1], before[later]
    return later - 1 + ((low - after) / (low - high)).clamp(0, 1)


@torch.enable_grad()
def retime(unet: UNet2DConditionModel, old: Noising, new: Noising) -> float:
    """Fits the time embedding, in place; the relative error that is left, 0 for a perfect fit.

    Raises ModelError where the two schedules do not predict the same thing.
    """
    if old.prediction != new.prediction:
        raise ModelError(
            f"The model predicts {old.prediction}, the schedule wants {new.prediction}; a model "
            "can change its schedule, but not what it predicts."
        )
    if old.steps == new.steps and torch.allclose(old.alphas, new.alphas, rtol=1e-3, atol=1e-6):
        return 0.0
    embedding = copy.deepcopy(unet.time_embedding).double().requires_grad_(True)

    def said(steps: Tensor) -> Tensor:
        answer: Tensor = embedding(unet.time_proj(steps.to(unet.device)).double())
        return answer

    wanted = said(same_noise(old, new)).detach()
    steps = torch.arange(new.steps)
    optimiser = torch.optim.LBFGS(
        embedding.parameters(),
        max_iter=ITERATIONS,
        history_size=50,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        error = functional.mse_loss(said(steps), wanted)
        error.backward()
        return error

    optimiser.step(closure)
    left = functional.mse_loss(said(steps), wanted) / wanted.square().mean()
    unet.time_embedding.load_state_dict(embedding.state_dict())
    return float(left.detach().sqrt())
