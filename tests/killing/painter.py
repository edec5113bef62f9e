"""An engine that loads in no time: it paints the seed as a colour. For ``--engine``."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

from inference.catalog import ModelInfo
from inference.errors import GenerationCancelled
from inference.executors.models import Engine
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress
from inference.sizes import result_size

STEP_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Painted:
    """How one run ended."""

    job_id: int
    result: GenerationResult | Exception


@dataclass(kw_only=True, slots=True)
class _Run:
    request: GenerationRequest
    on_progress: Callable[[Progress], None]
    step: int = 0
    began: float = field(default_factory=time.monotonic)


class Painter:
    """Advances every run by one step at a time, as a real engine does."""

    capacity = 4

    def __init__(self, info: ModelInfo) -> None:
        self._info = info
        self._runs: dict[int, _Run] = {}
        self._cancelled: set[int] = set()

    @property
    def has_work(self) -> bool:
        """Whether `step` has something to do."""
        return bool(self._runs)

    def submit(
        self, job_id: int, request: GenerationRequest, on_progress: Callable[[Progress], None]
    ) -> None:
        """Takes a request in."""
        self._runs[job_id] = _Run(request=request, on_progress=on_progress)

    def cancel(self, job_id: int) -> None:
        """Ends it at the next step."""
        self._cancelled.add(job_id)

    def step(self) -> list[Painted]:
        """One step of all."""
        time.sleep(STEP_SECONDS)
        ended = []
        for job_id, run in list(self._runs.items()):
            if job_id in self._cancelled:
                ended.append(Painted(job_id=job_id, result=GenerationCancelled("Stopped.")))
                continue
            run.step += 1
            run.on_progress(Progress(step=run.step, steps=run.request.steps_run))
            if run.step >= run.request.steps_run:
                ended.append(Painted(job_id=job_id, result=self._paint(run)))
        for outcome in ended:
            del self._runs[outcome.job_id]
        self._cancelled.clear()
        return ended

    def _paint(self, run: _Run) -> GenerationResult:
        request = run.request
        assert request.image is not None
        with Image.open(io.BytesIO(request.image)) as source:
            width, height = result_size(*source.size, self._info.pixel_budget)
        images = [
            GeneratedImage(
                data=plain_png(width, height, seed), width=width, height=height, seed=seed
            )
            for seed in map(request.seed_of, range(request.count))
        ]
        return GenerationResult(
            images=tuple(images),
            model=request.model,
            revision="painter",
            scheduler="none",
            steps_run=run.step,
            seconds=time.monotonic() - run.began,
        )


def plain_png(width: int, height: int, number: int) -> bytes:
    """A PNG in the colour that the number's last three bytes name."""
    buffer = io.BytesIO()
    colour = (number & 255, number >> 8 & 255, number >> 16 & 255)
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


def load(info: ModelInfo, device: str) -> Engine:
    """For ``--engine tests.killing.painter:load``."""
    return Painter(info)
