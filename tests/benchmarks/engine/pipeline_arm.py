"""Arms (a) to (c): diffusers' own pipeline, one job or one batch of equal jobs at a time."""

import io
import time
from collections import deque
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from inference.families.quiet import quiet
from inference.request import GenerationRequest
from tests.benchmarks.engine.arms import NEVER, Counts, Done
from tests.benchmarks.engine.traces import Arrival


class PipelineArm:
    """Collects jobs that agree in steps, strength, guidance and size, and runs them together.

    limit: jobs in a batch, at most; 1 runs one job after the other in the order they came.
    window: seconds that a job waits for others like it, unless its batch is full before.
    """

    def __init__(self, pipe: Any, *, limit: int = 1, window: float = 0.0) -> None:
        self._pipe = pipe
        self._limit = limit
        self._window = window
        self._groups: dict[Hashable, deque[Arrival]] = {}
        self._calls = 0
        self._rows = 0
        self._first: float | None = None
        pipe.unet.register_forward_pre_hook(self._count)

    def counts(self) -> Counts:
        """Of everything so far."""
        return Counts(calls=self._calls, rows=self._rows)

    def arrive(self, arrival: Arrival) -> None:
        """Takes a job in."""
        key = _key(arrival.request) if self._limit > 1 else None
        self._groups.setdefault(key, deque()).append(arrival)

    def due(self, now: float) -> float:
        """When the first batch is full or has waited long enough."""
        return max(now, min(map(self._ready, self._groups.values()), default=NEVER))

    def work(self, now: float) -> Sequence[Done]:
        """Runs the batch whose first job came first, of those that are due."""
        ready = [key for key, group in self._groups.items() if self._ready(group) <= now]
        key = min(ready, key=lambda key: self._groups[key][0].at)
        group = self._groups[key]
        batch = [group.popleft() for _ in range(min(self._limit, len(group)))]
        if not group:
            del self._groups[key]
        return self._run(batch)

    def _ready(self, group: deque[Arrival]) -> float:
        return group[0].at + (0 if len(group) >= self._limit else self._window)

    def _run(self, batch: Sequence[Arrival]) -> list[Done]:
        requests = [arrival.request for arrival in batch]
        self._first = None
        pictures = self._pipe(
            prompt=[request.prompt for request in requests],
            image=[Image.open(io.BytesIO(request.image or b"")) for request in requests],
            strength=_strength(requests[0]),
            num_inference_steps=requests[0].steps,
            guidance_scale=requests[0].guidance,
            generator=[torch.Generator().manual_seed(request.seed) for request in requests],
        ).images
        assert self._first is not None
        done = []
        for arrival, picture in zip(batch, pictures, strict=True):
            # As this engine writes them: the default level would cost these arms more.
            picture.save(io.BytesIO(), "PNG", compress_level=4)
            done.append(Done(number=arrival.number, started=self._first, finished=time.monotonic()))
        return done

    def _count(self, _unet: object, inputs: tuple[Any, ...]) -> None:
        if self._first is None:
            self._first = time.monotonic()
        self._calls += 1
        self._rows += inputs[0].shape[0]


def load_pipeline(folder: Path, device: torch.device) -> Any:
    """diffusers' img2img pipeline for a folder: fp32 on a CPU, bf16 elsewhere."""
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    with quiet():
        from diffusers import AutoPipelineForImage2Image

        pipe = AutoPipelineForImage2Image.from_pretrained(folder, dtype=dtype)
    pipe.to(device).set_progress_bar_config(disable=True)
    return pipe


def _key(request: GenerationRequest) -> Hashable:
    return request.steps, request.strength, request.guidance, request.width, request.height


def _strength(request: GenerationRequest) -> float:
    """What makes diffusers run as many steps as the request says: at least one."""
    return max(request.strength, 1 / request.steps)
