"""Steps never ask a device for a value, which would wait for all that it still has to do.

The meta device stands for a GPU: it has no values at all, so whoever asks for one fails.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from inference.engine.job import Job
from inference.engine.slot import Slot, open_slot
from inference.families.latents import Posterior
from inference.families.load import load_model
from inference.families.schedulers import scheduler_names
from inference.request import GenerationRequest
from tests import tiny

META = torch.device("meta")

BRING = {"euler-a", "lcm", "unipc"}
"""Schedulers that bring something from the CPU in each step: noise, or coefficients. diffusers
does so by plain copies, which wait."""


class Copies(TorchDispatchMode):
    """Counts tensors with more than one value that are copied from the CPU to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        values = [value for value in args if isinstance(value, Tensor)]
        if copies and result.is_meta and any(value.device.type == "cpu" for value in values):
            self.number += 1
        return result


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_model(tiny.sd(tmp_path_factory.mktemp("meta")), META, torch.bfloat16)


@contextmanager
def counted() -> Iterator[Copies]:
    # In inference mode a copy shows as whatever call led to it.
    with torch.no_grad(), Copies() as copies:
        yield copies


def opened(model: Any, scheduler: str, strength: float) -> Slot:
    request = GenerationRequest(
        prompt="fog", steps=4, strength=strength, scheduler=scheduler, image=b"picture"
    )
    job = Job(id=0, number=0, request=request, on_progress=lambda progress: None, submitted=0.0)
    job.size = (4, 8, 8)
    job.rows = model.rows(request, width=64, height=64)
    zeros = torch.zeros(1, 4, 8, 8, device=META)
    if strength < 1:
        job.posterior = Posterior(mean=zeros, deviation=zeros)
    return open_slot(model, job, 0, scheduler)


@pytest.mark.parametrize("strength", [0.5, 1])
@pytest.mark.parametrize("scheduler", scheduler_names(flow=False))
def test_a_step_asks_the_device_for_nothing(model: Any, scheduler: str, strength: float) -> None:
    with torch.no_grad():
        slot = opened(model, scheduler, strength)
        assert slot.latents.is_meta
    while not slot.finished:
        with counted() as copies:
            lines = [(slot.model_input(), slot.timestep, row) for row in slot.rows]
            predictions = model.predict(lines)
        assert copies.number == 1  # the timesteps, by `send`
        with counted() as copies:
            slot.advance(predictions)
        assert slot.latents.is_meta
        if scheduler not in BRING:
            assert copies.number == 0
