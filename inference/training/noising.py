"""How a model's own scheduler noises latents, and what the model is asked to predict from them."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from inference.errors import ModelError


def carrying(noise: Tensor, sources: Tensor, targets: Tensor, ratios: Tensor) -> Tensor:
    """Noise [n, c, h, w] that carries sources on the way to their targets; see `pocket`.

    ratios: the signal-to-noise ratio [n] where each source enters, 0 for those that do not.
    """
    return noise + ratios.sqrt().view(-1, 1, 1, 1) * (sources - targets)


class Noising:
    """The forward process x_t = sqrt(a_t) x + sqrt(1 - a_t) e of a scheduler's configuration.

    Understands noise, sample and v-prediction (Ho et al. 2020; Salimans and Ho 2022), with or
    without zero terminal SNR (Lin et al. 2024). Raises ModelError for any other.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.prediction = str(config.get("prediction_type", "epsilon"))
        if self.prediction not in ("epsilon", "sample", "v_prediction"):
            raise ModelError(
                f"The model's prediction_type is {self.prediction}; epsilon, sample and "
                "v_prediction can be trained."
            )
        if "beta_schedule" not in config:
            raise ModelError("The model's scheduler has no betas; flow models cannot be trained.")
        self.alphas: Tensor = DDPMScheduler.from_config(dict(config)).alphas_cumprod.float()

    @property
    def steps(self) -> int:
        """How many steps the process has."""
        return len(self.alphas)

    @property
    def described(self) -> str:
        """In words, what tells it from others."""
        step = self.steps * 3 // 5
        ratio = float(self.ratio(torch.tensor(step)))
        return f"{self.prediction}, a signal-to-noise ratio of {ratio:.2f} at step {step}"

    def noisy(self, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """The latents [n, c, h, w] at their steps [n]."""
        a = self._at(steps)
        return a.sqrt() * clean + (1 - a).sqrt() * noise

    def wanted(self, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """What the model should answer."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "sample":
            return clean
        a = self._at(steps)
        return a.sqrt() * noise - (1 - a).sqrt() * clean

    def ratio(self, steps: Tensor) -> Tensor:
        """The signal-to-noise ratio a / (1 - a) at the steps, [n]."""
        a = self.alphas[steps]
        return a / (1 - a)

    def _at(self, steps: Tensor) -> Tensor:
        return self.alphas[steps].view(-1, 1, 1, 1)
