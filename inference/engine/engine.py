"""The step loop over all requests in flight."""

import time
from collections import deque
from collections.abc import Callable

import torch

from inference.engine.batch import Batch, plan
from inference.engine.job import Job, OnProgress, Outcome
from inference.engine.preview import Preview
from inference.engine.settings import EngineSettings
from inference.engine.slot import Slot, open_slot
from inference.errors import GenerationCancelled
from inference.families.base import DiffusionModel
from inference.families.cache import Cache
from inference.families.latents import Posterior
from inference.families.schedulers import check_scheduler
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress
from inference.tasks.img2img import Img2Img


class Engine:
    """Runs the requests for one model together, a denoising step at a time.

    A new request joins at the next step and leaves when it is done. Not thread-safe, but `cancel`
    may be called from any thread.

    revision, versions: go into the results. clock: seconds, monotonic.
    """

    def __init__(
        self,
        model: DiffusionModel,
        info: ModelInfo,
        settings: EngineSettings,
        *,
        revision: str = "",
        versions: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._info = info
        self._settings = settings
        self._revision = revision
        self._versions = versions or {}
        self._clock = clock
        self._waiting: deque[Job] = deque()
        self._jobs: dict[int, Job] = {}
        self._slots: list[Slot] = []
        self._cancelled: set[int] = set()
        self._preview = Preview(model.codec)
        self._sources: Cache[object, Posterior] = Cache(settings.sources)
        self.calls = 0
        """Forward passes of the denoiser so far."""

    @property
    def capacity(self) -> int:
        """Requests worth having at once: each needs at least one slot."""
        return self._settings.slots

    @property
    def has_work(self) -> bool:
        """Whether `step` has something to do."""
        return bool(self._jobs)

    def submit(self, job_id: int, request: GenerationRequest, on_progress: OnProgress) -> None:
        """Takes a request in; the work on it begins at a `step`.

        on_progress is called from within `step`. Raises RequestError for an unknown scheduler,
        ValueError for an id that is in flight already.
        """
        if job_id in self._jobs:
            raise ValueError(f"job {job_id} is in flight already")
        check_scheduler(request.scheduler)
        job = Job(id=job_id, request=request, on_progress=on_progress, submitted=self._clock())
        self._jobs[job_id] = job
        self._waiting.append(job)
        self._cancelled.discard(job_id)

    def cancel(self, job_id: int) -> None:
        """Ends it with GenerationCancelled before the next forward pass; unknown ids are ignored.

        From any thread.
        """
        self._cancelled.add(job_id)

    @torch.inference_mode()
    def step(self) -> list[Outcome]:
        """Advances every picture in flight by one step; returns the jobs that ended by it.

        What strikes one request is in its outcome. What strikes a whole batch is raised, and the
        engine is not to be used further.
        """
        ended = self._drop_cancelled()
        ended += self._admit()
        for batch in plan(self._slots, self._settings):
            ended += self._drop_cancelled()
            # Beside one that was dropped just now the others lose one tick, no more.
            if all(slot.job_id in self._jobs for slot in batch.slots):
                self._advance(batch)
        self._report()
        self._decode()
        ended += [self._end(job) for job in list(self._jobs.values()) if job.complete]
        return ended

    def _drop_cancelled(self) -> list[Outcome]:
        ended = []
        while self._cancelled:
            job = self._jobs.get(self._cancelled.pop())
            if job is not None:
                ended.append(self._leave(job, GenerationCancelled("The job was cancelled.")))
        return ended

    def _admit(self) -> list[Outcome]:
        """Gives free slots to the pictures that wait, in the order their jobs came."""
        ended: list[Outcome] = []
        while self._waiting and len(self._slots) < self._settings.slots:
            job = self._waiting[0]
            try:
                if job.task is None:
                    self._prepare(job)
                if job.wants_slot:
                    self._open(job)
            # Whatever it is, it is about this one request: the others must not fall with it.
            except Exception as error:
                ended.append(self._leave(job, error))
                continue
            if not job.wants_slot:
                self._waiting.popleft()
        return ended

    def _prepare(self, job: Job) -> None:
        """Encodes what the pictures of a job have in common."""
        request = job.request
        job.started = self._clock()
        job.task = task = Img2Img.prepare(request, self._info)
        if request.strength == 0:
            job.pictures = dict(enumerate(task.unchanged()))
            return
        width, height = task.work
        job.rows = self._model.rows(request, width=width, height=height)
        if request.strength < 1:
            job.posterior = self._sources.get(
                task.source_key, lambda: self._model.codec.encode(task.padded_source())
            )

    def _open(self, job: Job) -> None:
        assert job.task is not None
        slot = open_slot(
            self._model,
            job.request,
            job_id=job.id,
            index=job.opened,
            scheduler=self._scheduler_of(job.request),
            rows=job.rows,
            shape=self._model.codec.shape(*job.task.work),
            posterior=job.posterior,
        )
        job.opened += 1
        job.steps = len(slot.timesteps) * job.request.count
        self._slots.append(slot)

    def _advance(self, batch: Batch) -> None:
        """One forward pass and one scheduler step for each of its slots."""
        lines = [
            (slot.model_input(), slot.timestep, row) for slot in batch.slots for row in slot.rows
        ]
        lines += lines[:1] * (batch.padded - len(lines))
        predictions = self._model.predict(lines)
        self.calls += 1
        first = 0
        for slot in batch.slots:
            slot.advance(predictions[first : first + len(slot.rows)])
            first += len(slot.rows)
            job = self._jobs[slot.job_id]
            job.done += 1
            if self._settings.strict:
                job.batch_shape = "x".join(map(str, predictions.shape))

    def _report(self) -> None:
        """Tells each job that advanced how far it is."""
        told: set[int] = set()
        for slot in self._slots:
            job = self._jobs[slot.job_id]
            if job.id in told or not slot.done:
                continue
            told.add(job.id)
            preview = None if slot.finished else self._make_preview(job, slot)
            job.on_progress(Progress(step=job.done, steps=job.steps, preview=preview))

    def _make_preview(self, job: Job, slot: Slot) -> bytes | None:
        now = self._clock()
        if slot.estimate is None or now - job.previewed < self._settings.preview_seconds:
            return None
        job.previewed = now
        assert job.task is not None
        size, work = job.task.size, job.task.work
        return self._preview.jpeg(slot.estimate, (size[0] / work[0], size[1] / work[1]))

    def _decode(self) -> None:
        """Turns what is finished into pictures, those of one shape together."""
        finished = [slot for slot in self._slots if slot.finished]
        self._slots = [slot for slot in self._slots if not slot.finished]
        shapes: dict[torch.Size, list[Slot]] = {}
        for slot in finished:
            shapes.setdefault(slot.latents.shape, []).append(slot)
        most = 1 if self._settings.strict else self._settings.decode
        for group in shapes.values():
            for start in range(0, len(group), most):
                self._decode_together(group[start : start + most])

    def _decode_together(self, slots: list[Slot]) -> None:
        pictures = self._model.codec.decode(torch.cat([slot.latents for slot in slots]))
        for slot, pixels in zip(slots, pictures, strict=True):
            job = self._jobs[slot.job_id]
            assert job.task is not None
            job.pictures[slot.index] = job.task.picture(slot.index, pixels)

    def _end(self, job: Job) -> Outcome:
        images: list[GeneratedImage] = [job.pictures[i] for i in range(job.request.count)]
        ran = job.request.strength > 0
        name = self._scheduler_of(job.request) or self._model.schedulers.own_class
        result = GenerationResult(
            images=tuple(images),
            model=self._info.id,
            revision=self._revision,
            scheduler=name,
            steps_run=job.steps // job.request.count,
            seconds=self._clock() - (job.started or job.submitted),
            batch_shape=job.batch_shape if ran else "",
            versions=self._versions,
        )
        return self._leave(job, result)

    def _leave(self, job: Job, result: GenerationResult | Exception) -> Outcome:
        del self._jobs[job.id]
        if job in self._waiting:
            self._waiting.remove(job)
        self._slots = [slot for slot in self._slots if slot.job_id != job.id]
        return Outcome(
            job_id=job.id,
            result=result,
            submitted=job.submitted,
            started=job.started,
            finished=self._clock(),
        )

    def _scheduler_of(self, request: GenerationRequest) -> str | None:
        return request.scheduler or self._info.default_scheduler
