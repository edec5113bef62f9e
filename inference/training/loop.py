"""The training loop that every embedded model shares: progress, checkpoints, resume, samples.

A checkpoint is one file written beside its final name and renamed, so a kill leaves the last good
one. Batches depend only on the seed and the step, so a resumed run sees what an uninterrupted one
would have seen and ends in the same weights, bit for bit on one machine.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from inference.errors import RequestError


class Task(Protocol):
    """What a model brings to the loop."""

    def modules(self) -> dict[str, nn.Module]:
        """The modules that are trained, by name."""
        ...

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """The loss of one batch and the figures to show."""
        ...

    def sample(self, folder: Path, step: int) -> None:
        """Writes a sheet of pictures to look at."""
        ...


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How long and how fast to train."""

    out: Path
    steps: int
    learning_rate: float
    warmup: int = 100
    """Steps of linear warm-up before the cosine."""
    floor: float = 0.05
    """The cosine ends at this share of the learning rate."""
    weight_decay: float = 0.0
    clip: float = 1.0
    """The gradient's largest norm."""
    ema: float = 0.0
    """Decay of the averaged weights; 0 keeps none."""
    seed: int = 0
    save_every: int = 200
    sample_every: int = 400
    device: str = "cpu"
    minutes: float = 0.0
    """Ends the schedule after this much wall clock instead of `steps`; 0 means by steps. Such a
    run depends on the machine's speed, so it is not reproducible."""


def auto_device(name: str) -> str:
    """`auto` becomes cuda, mps or cpu, whichever is best here."""
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def attention_for(device: str) -> AbstractContextManager[Any]:
    """The kernels to attend with: on a CPU plain products, which make a step of pocket's training
    1.2 times as fast as torch's flash kernel, whose backward pass is slow for so few tokens."""
    return sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()


def schedule(done: float, warm: float, floor: float) -> float:
    """The learning rate's factor: warm-up, then a cosine from 1 to `floor`; all in 0..1."""
    cosine = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return min(1.0, warm) * cosine


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """torch.save through a temporary name, so that `path` is always whole."""
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


class Trainer:
    """Runs a task's loss for a number of steps, and can go on from its last checkpoint.

    made_for: what the weights depend on besides, in words; a checkpoint made for something else
    is refused.
    """

    def __init__(self, task: Task, settings: LoopSettings, made_for: str = "") -> None:
        self.task = task
        self.settings = settings
        self.made_for = made_for
        self.modules = task.modules()
        parameters = [p for m in self.modules.values() for p in m.parameters() if p.requires_grad]
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(
            parameters,
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.average: dict[str, dict[str, Tensor]] = {}
        if settings.ema:
            self.average = {
                name: {k: v.detach().clone() for k, v in m.state_dict().items()}
                for name, m in self.modules.items()
            }
        self.step = 0
        self.spent = 0.0

    @property
    def checkpoint(self) -> Path:
        """The file of the last checkpoint."""
        return self.settings.out / "checkpoint.pt"

    def state(self) -> dict[str, Any]:
        """Everything needed to go on."""
        return {
            "made_for": self.made_for,
            "step": self.step,
            "spent": self.spent,
            "modules": {name: m.state_dict() for name, m in self.modules.items()},
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }

    def resume(self) -> bool:
        """Loads the last checkpoint; False when there is none."""
        if not self.checkpoint.exists():
            return False
        self.restore(
            torch.load(self.checkpoint, map_location=self.settings.device, weights_only=True)
        )
        return True

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`. Raises RequestError for one that was made for something else."""
        before = state.get("made_for", "")
        if before != self.made_for:
            raise RequestError(
                f"{self.checkpoint} was made for {before or 'an older version'}, not for "
                f"{self.made_for or 'this'}; go on with the options that began it, or name "
                "another --out."
            )
        self.step, self.spent = state["step"], state["spent"]
        self.average.update(state["average"])
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        self.optimizer.load_state_dict(state["optimizer"])

    def _progress(self) -> float:
        s = self.settings
        return self.spent / (60 * s.minutes) if s.minutes else self.step / s.steps

    def _update(self) -> dict[str, float]:
        self._set_rate(self.optimizer, self.settings.learning_rate)
        with attention_for(self.settings.device):  # backward too: it may work values out anew
            loss, figures = self.task.loss(self.step, self._generator())
            moved = self._descend(loss, self.optimizer, self.parameters)
        if moved:
            self._track()
        return figures

    def _generator(self) -> torch.Generator:
        """The source of this step's random numbers."""
        return torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.step)

    def _set_rate(self, optimizer: torch.optim.Optimizer, rate: float) -> None:
        """`rate` by the schedule."""
        s = self.settings
        factor = schedule(self._progress(), (self.step + 1) / max(1, s.warmup), s.floor)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor

    def _descend(
        self, loss: Tensor, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]
    ) -> bool:
        """One step down the gradient; False, and nothing is changed, where it is not finite."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        if not bool(torch.isfinite(norm)):
            return False
        optimizer.step()
        return True

    @torch.no_grad()
    def _track(self) -> None:
        if not self.settings.ema:
            return
        decay = min(self.settings.ema, (self.step + 1) / (self.step + 10))
        for name, module in self.modules.items():
            kept = self.average[name]
            for key, value in module.state_dict().items():
                if value.is_floating_point():
                    kept[key].lerp_(value, 1 - decay)
                else:
                    kept[key].copy_(value)

    def _steps(self) -> Iterator[None]:
        while self._progress() < 1.0:
            yield None

    def run(self, stop: Callable[[int], bool] | None = None) -> None:
        """Trains to the end, or until `stop(step)`; saves at the end in both cases."""
        s = self.settings
        s.out.mkdir(parents=True, exist_ok=True)
        smooth: dict[str, float] = {}
        bar = tqdm(
            total=None if s.minutes else s.steps,
            initial=self.step,
            mininterval=5,
            dynamic_ncols=True,
        )
        for _ in self._steps():
            began = time.monotonic()
            for key, value in self._update().items():
                smooth[key] = 0.97 * smooth.get(key, value) + 0.03 * value
            self.step += 1
            self.spent += time.monotonic() - began
            left = (1 / max(1e-6, self._progress()) - 1) * self.spent / 60
            bar.set_postfix_str(
                " ".join(f"{k} {v:.4f}" for k, v in smooth.items()) + f" left {left:.0f}min", False
            )
            bar.update()
            if self.step % s.save_every == 0:
                save_atomically(self.state(), self.checkpoint)
            if self.step % s.sample_every == 0:
                self.task.sample(s.out, self.step)
            if stop is not None and stop(self.step):
                break
        bar.close()
        save_atomically(self.state(), self.checkpoint)
