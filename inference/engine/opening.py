"""What happens to an admitted picture before its first step."""

from collections.abc import Callable, Sequence
from functools import partial

from inference.engine.encoding import Encoder
from inference.engine.job import Job
from inference.engine.passes import Passes, RanOut
from inference.engine.savings import Savings
from inference.engine.slot import Slot, open_slot
from inference.errors import OutOfMemory
from inference.executors.reports import is_device_lost
from inference.families.base import DiffusionModel
from inference.families.conditioning import Row
from inference.families.control import controlled


class Opener:
    """Reads prompts, has sources encoded, and opens slots.

    default_scheduler: for requests that name none; None is the model's own.
    clock: seconds, monotonic.
    """

    def __init__(
        self,
        model: DiffusionModel,
        encoder: Encoder,
        passes: Passes,
        savings: Savings,
        *,
        default_scheduler: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._model = model
        self._encoder = encoder
        self._passes = passes
        self._savings = savings
        self._default_scheduler = default_scheduler
        self._clock = clock

    def open(self, admitted: Sequence[tuple[Job, int]]) -> list[Slot]:
        """Slots for these pictures of these jobs. Where that went wrong the job has failed."""
        new = [job for job in dict.fromkeys(job for job, _ in admitted) if not job.rows]
        for job in new:
            job.started = self._clock()
            self._read(job)
        self._encoder.encode([job for job in new if not job.over and job.encodes])
        slots = [self._open(job, index) for job, index in admitted if not job.over]
        return [slot for slot in slots if slot is not None]

    def _read(self, job: Job) -> None:
        try:
            job.rows = self._rows(job)
        # Else it is about this one request: the others must not fall with it.
        except Exception as error:
            if is_device_lost(error):
                raise
            job.fail(error)

    def _rows(self, job: Job) -> tuple[Row, ...]:
        assert job.task is not None
        task = job.task
        width, height = task.work

        def read() -> tuple[Row, ...]:
            with self._savings.text_encoders():
                rows = self._model.rows(job.request, width=width, height=height)
            if task.control is None:
                return rows
            return controlled(rows, task.padded_control(), task.control.scale, self._model.device)

        while True:
            try:
                return self._passes.guard(read)
            except RanOut as error:
                if not self._savings.offload():
                    raise OutOfMemory(f"There is no memory to read a prompt: {error}") from None

    def _open(self, job: Job, index: int) -> Slot | None:
        scheduler = job.request.scheduler or self._default_scheduler
        try:
            slot = self._passes.guard(partial(open_slot, self._model, job, index, scheduler))
        except RanOut as error:
            job.fail(OutOfMemory(f"There is no memory for another picture: {error}"))
            return None
        except Exception as error:  # likewise
            if is_device_lost(error):
                raise
            job.fail(error)
            return None
        job.lengths[index] = len(slot.timesteps)
        return slot
