"""How far jobs are, told while they run."""

from collections.abc import Callable, Iterable

from torch import Tensor

from inference.engine.job import Job
from inference.engine.passes import Passes, RanOut
from inference.engine.preview import Preview
from inference.engine.savings import Savings
from inference.engine.slot import Slot
from inference.result import Progress


class Reporter:
    """Tells each job's `on_progress`.

    seconds: least time between two previews of one job. clock: seconds, monotonic.
    """

    def __init__(
        self,
        preview: Preview,
        passes: Passes,
        savings: Savings,
        *,
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._preview = preview
        self._passes = passes
        self._savings = savings
        self._seconds = seconds
        self._clock = clock

    def tell(self, slots: Iterable[Slot]) -> None:
        """Once for each job that advanced, with a preview of its first picture if due."""
        told: set[Job] = set()
        for slot in slots:
            job = slot.job
            if job in told or not slot.done or job.done == job.told:
                continue
            told.add(job)
            job.told = job.done
            preview = None if slot.finished else self._draw(job, slot)
            job.on_progress(Progress(step=job.done, steps=job.steps, preview=preview))

    def _draw(self, job: Job, slot: Slot) -> bytes | None:
        now, latents = self._clock(), slot.estimate
        if latents is None or now - job.previewed < self._seconds:
            return None
        job.previewed = now
        assert job.task is not None
        size, work = job.task.size, job.task.work
        share = (size[0] / work[0], size[1] / work[1])
        try:
            return self._passes.guard(lambda: self._jpeg(latents, share))
        except RanOut:
            return None  # the picture itself matters more

    def _jpeg(self, latents: Tensor, share: tuple[float, float]) -> bytes:
        if self._preview.ready:
            return self._preview.jpeg(latents, share)
        with self._savings.autoencoder(None):
            return self._preview.jpeg(latents, share)
