"""What a tick of the engine costs beside the model: everything but the forward pass itself.

`python -m tests.benchmarks.overhead` drives the engine with a model that does nothing, and times
the processor during ticks in the middle of the pictures' schedules, where nobody comes or goes.
Most of it is the schedulers' own arithmetic, which is measured apart.
"""

import statistics
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families.base import Entry, Line, Modules
from inference.families.conditioning import Row
from inference.families.diffusion import enter_diffusion
from inference.families.hole import Hole
from inference.families.latents import LatentCodec, Posterior
from inference.families.schedulers import SchedulerFactory
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import Progress

SIDE = 64
TICKS = 100


class Nothing(nn.Module):
    """Has the configuration of an autoencoder and a denoiser, but no work to do."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(
            latent_channels=4, block_out_channels=(8,) * 4, scaling_factor=1.0
        )
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def encode(self, image: Tensor) -> Any:
        latents = torch.zeros(len(image), 4, image.shape[2] // 8, image.shape[3] // 8)
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=latents, std=latents))

    def decode(self, latents: Tensor, **_: Any) -> tuple[Tensor]:
        return (torch.zeros(len(latents), 3, SIDE, SIDE),)


class IdleModel:
    """A model whose every prediction is zero."""

    sees_hole = False

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.codec = LatentCodec(Nothing())
        self.schedulers = SchedulerFactory(
            {"_class_name": "DDIMScheduler", "clip_sample": False}, outdated_defaults=True
        )
        self.modules = Modules(denoiser=Nothing(), autoencoder=self.codec.network, text_encoders=())
        self.seconds = 0.0

    def rows(self, request: GenerationRequest, *, width: int, height: int) -> tuple[Row, ...]:
        return (Row(tokens=torch.zeros(1, 77, 32)),) * (2 if request.guidance > 1 else 1)

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
        return enter_diffusion(
            request,
            schedulers=self.schedulers,
            scheduler=scheduler,
            codec=self.codec,
            shape=shape,
            posterior=posterior,
            generator=generator,
            hole=hole,
        )

    def predict(self, lines: Sequence[Line]) -> Tensor:
        begun = time.thread_time()
        prediction = torch.zeros(len(lines), *lines[0][0].shape[1:])
        self.seconds += time.thread_time() - begun
        return prediction


def ignore(progress: Progress) -> None:
    pass


def request(scheduler: str, seed: int) -> GenerationRequest:
    return GenerationRequest(
        prompt="", strength=1, steps=TICKS + 10, seed=seed, scheduler=scheduler,
        width=SIDE, height=SIDE,
    )  # fmt: skip


def overhead(scheduler: str, slots: int) -> float:
    """Seconds a tick takes beside the forward passes, with so many pictures in flight."""
    model, info = IdleModel(), ModelInfo(id="idle", title="Idle", location="/")
    engine = Engine(model, info, EngineSettings(strict=False, rows=2 * slots, slots=slots))
    for number in range(slots):
        engine.submit(number, request(scheduler, number), ignore)
    for _ in range(5):
        engine.step()
    taken = []
    for _ in range(TICKS):
        model.seconds = 0.0
        begun = time.thread_time()
        engine.step()
        taken.append(time.thread_time() - begun - model.seconds)
    return statistics.median(taken)


@torch.inference_mode()
def arithmetic(scheduler: str) -> float:
    """Seconds that one scheduler step takes by itself."""
    model = IdleModel()
    own = model.enter(
        request(scheduler, 0), scheduler=scheduler, shape=(4, 8, 8), posterior=None,
        generator=torch.Generator(),
    )  # fmt: skip
    latents, taken = own.latents, []
    for timestep in own.timesteps[:TICKS]:
        begun = time.thread_time()
        scaled = own.scheduler.scale_model_input(latents, timestep)
        latents = own.scheduler.step(torch.zeros_like(scaled), timestep, latents).prev_sample
        taken.append(time.thread_time() - begun)
    return statistics.median(taken)


def main() -> None:
    """Prints one table."""
    torch.set_num_threads(1)
    counts = (1, 4, 16)
    print("milliseconds a tick beside the forward pass; one scheduler step by itself")
    print(f"{'':16}" + "".join(f"{f'{count} pictures':>14}" for count in counts) + f"{'step':>10}")
    for scheduler in ("ddim", "euler", "dpm++2m", "unipc"):
        cells = "".join(f"{overhead(scheduler, count) * 1e3:14.2f}" for count in counts)
        print(f"{scheduler:16}{cells}{arithmetic(scheduler) * 1e3:10.2f}")


if __name__ == "__main__":
    main()
