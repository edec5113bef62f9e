"""The engine for models without a step that could be shared: one request after the other."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from inference.engine.job import OnProgress, Outcome
from inference.engine.settings import EngineSettings
from inference.engine.stepper import Stepper
from inference.errors import GenerationCancelled
from inference.executors.reports import is_device_lost
from inference.families.schedulers import check_scheduler
from inference.families.serial import SerialModel, Step
from inference.loras import refuse_loras
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress
from inference.tasks.alone import check_alone
from inference.tasks.img2img import Finisher, Img2Img
from inference.tasks.style import check_style

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Report:
    """Where a job stands. done, total: steps of all its pictures together."""

    done: int
    total: int
    preview: Callable[[], bytes] | None


@dataclass(kw_only=True, slots=True, eq=False)
class _Job:
    """A request and how far it is. The fields below `submitted` are for the one that runs."""

    id: int
    request: GenerationRequest
    on_progress: OnProgress
    submitted: float
    started: float | None = None
    task: Img2Img | None = None
    pictures: list[GeneratedImage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    steps: int = 0
    previewed: float = float("-inf")


class SerialEngine:
    """Runs the requests for one model in the order they came, one at a time.

    It is driven like `Engine`: each `step` runs one step of one picture, so that progress is told
    and a job can be cancelled between two. Not thread-safe, but `cancel` may be called from any
    thread.

    finisher: finishes pictures that have a source; None: they are as they were painted.
    revision, versions: go into the results. clock: seconds, monotonic.
    """

    def __init__(
        self,
        model: SerialModel,
        info: ModelInfo,
        settings: EngineSettings,
        *,
        finisher: Finisher | None = None,
        revision: str = "",
        versions: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._info = info
        self._settings = settings
        self._finisher = finisher
        self._revision = revision
        self._versions = versions or {}
        self._clock = clock
        self._jobs: deque[_Job] = deque()
        self._stepper: Stepper[_Report] | None = None
        """The first job's, once it runs."""
        self._cancelled: set[int] = set()

    @property
    def capacity(self) -> int:
        """One: a second request would only wait."""
        return 1

    @property
    def has_work(self) -> bool:
        """Whether `step` has something to do."""
        return bool(self._jobs)

    def submit(self, job_id: int, request: GenerationRequest, on_progress: OnProgress) -> None:
        """Takes a request in; the work on it begins at a `step`.

        on_progress is called from within `step`. Raises RequestError for what the model cannot
        do, ValueError for an id that is in flight already.
        """
        if any(job.id == job_id for job in self._jobs):
            raise ValueError(f"job {job_id} is in flight already")
        check_scheduler(request.scheduler)
        check_style(request, self._info)
        refuse_loras(request.loras, self._info.id)
        check_alone(request, self._info, masked=request.mask is not None)
        if request.scheduler is None and self._info.default_scheduler is not None:
            request = request.change(scheduler=self._info.default_scheduler)
        if request.strength > 0:
            for index in range(request.count):
                self._model.prepare(request.single(index))
        self._jobs.append(
            _Job(id=job_id, request=request, on_progress=on_progress, submitted=self._clock())
        )
        self._cancelled.discard(job_id)

    def cancel(self, job_id: int) -> None:
        """Ends it with GenerationCancelled before its next step; unknown ids are ignored.

        From any thread.
        """
        self._cancelled.add(job_id)

    def step(self) -> list[Outcome]:
        """Runs one step of the job that is first; returns the jobs that ended by it.

        What strikes the device is raised, and the engine is not to be used further.
        """
        ended = self._drop_cancelled()
        if self._jobs:
            job = self._jobs[0]
            try:
                outcome = self._advance(job)
            # Else it is about this one request: the others must not fall with it.
            except Exception as error:
                if is_device_lost(error):
                    raise
                outcome = self._leave(job, error)
            ended += [] if outcome is None else [outcome]
        return ended

    def _drop_cancelled(self) -> list[Outcome]:
        ended = []
        while self._cancelled:
            job_id = self._cancelled.pop()
            job = next((job for job in self._jobs if job.id == job_id), None)
            if job is not None:
                ended.append(self._leave(job, GenerationCancelled("The job was cancelled.")))
        return ended

    def _advance(self, job: _Job) -> Outcome | None:
        if self._stepper is None:
            self._begin(job)
        if self._stepper is not None:
            report = self._stepper.advance()
            if report is not None:
                self._tell(job, report)
                return None
        return self._leave(job, self._result(job))

    def _begin(self, job: _Job) -> None:
        """Prepares the source and, unless it is the result already, a thread for the model."""
        job.started = self._clock()
        job.task = task = Img2Img.prepare(job.request, self._info, finisher=self._finisher)
        if job.request.strength == 0:
            job.pictures.extend(task.unchanged())
            return
        job.notes.extend(self._model.notes(job.request))
        for note in job.notes:
            _log.info("Job %s: %s", job.id, note)
        work = _Work(model=self._model, task=task, pictures=job.pictures, notes=job.notes)
        self._stepper = Stepper(work.paint)

    def _tell(self, job: _Job, report: _Report) -> None:
        job.steps = report.total
        now = self._clock()
        preview = None
        due = now - job.previewed >= self._settings.preview_seconds
        if report.preview is not None and due and report.done < report.total:
            job.previewed = now
            preview = _drawn(report.preview)
        job.on_progress(Progress(step=report.done, steps=report.total, preview=preview))

    def _result(self, job: _Job) -> GenerationResult:
        ran = job.request.strength > 0
        return GenerationResult(
            images=tuple(job.pictures),
            model=self._info.id,
            revision=self._revision,
            scheduler=job.request.scheduler or self._model.own_scheduler,
            steps_run=job.steps // job.request.count,
            seconds=self._clock() - (job.started or job.submitted),
            batch_shape="",
            versions=self._versions,
            notes=tuple(dict.fromkeys(job.notes)) if ran else (),
        )

    def _leave(self, job: _Job, result: GenerationResult | Exception) -> Outcome:
        if job is self._jobs[0] and self._stepper is not None:
            self._stepper.stop()
            self._stepper = None
        self._jobs.remove(job)
        return Outcome(
            job_id=job.id,
            result=result,
            submitted=job.submitted,
            started=job.started,
            finished=self._clock(),
        )


def _drawn(preview: Callable[[], bytes]) -> bytes | None:
    """None where that failed, for whatever reason: the picture itself matters more."""
    try:
        return preview()
    except Exception as error:
        if is_device_lost(error):
            raise
        _log.warning("There is no preview: %s: %s", type(error).__name__, error)
        return None


@dataclass(kw_only=True, slots=True, eq=False)
class _Work:
    """What the thread does. Nothing of the engine is in it: it must not keep the engine alive.

    pictures, notes: where the results go.
    before: steps of the finished pictures. longest: the most that a picture was known to have.
    """

    model: SerialModel
    task: Img2Img
    pictures: list[GeneratedImage]
    notes: list[str]
    before: int = 0
    longest: int = 0

    def paint(self, pause: Callable[[_Report], None]) -> None:
        """All pictures of the request, one after the other."""
        request, size = self.task.request, self.task.work
        source = None if request.image is None else Image.fromarray(self.task.padded_source())
        for index in range(request.count):
            single = request.single(index)
            picture = self.model.run(single, 0, source, size, self._step(pause, index))
            self.before += self.longest
            if picture.size != size:
                self.notes.append(
                    f"The model made {picture.width}×{picture.height} pixels instead of "
                    f"{size[0]}×{size[1]}; they were scaled."
                )
                picture = picture.resize(size, Image.Resampling.LANCZOS)
            pixels = np.asarray(picture.convert("RGB"))
            self.pictures.append(self.task.picture(index, pixels))

    def _step(self, pause: Callable[[_Report], None], index: int) -> Step:
        """Adds the pictures before this one, and those from it on, to what the model reports."""
        left = self.task.request.count - index

        def step(done: int, total: int, preview: Callable[[], bytes] | None = None, /) -> None:
            self.longest = max(self.longest, total)
            whole = self.before + left * self.longest
            pause(_Report(done=self.before + done, total=whole, preview=preview))

        return step
