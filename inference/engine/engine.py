"""The step loop over all requests in flight."""

import time
from collections.abc import Callable
from itertools import count

import torch

from inference.engine.admission import FEWEST, Admission
from inference.engine.autoencoder import Autoencoder
from inference.engine.batch import Batches
from inference.engine.costs import Costs
from inference.engine.decoding import Decoder
from inference.engine.denoising import Denoiser
from inference.engine.encoding import Encoder
from inference.engine.files import Files
from inference.engine.job import Job, OnProgress, Outcome
from inference.engine.ladder import Ladder
from inference.engine.largest import Largest
from inference.engine.memory import Memory, memory_of
from inference.engine.opening import Opener
from inference.engine.passes import Passes
from inference.engine.preview import Preview
from inference.engine.reporting import Reporter
from inference.engine.savings import Savings
from inference.engine.settings import EngineSettings
from inference.engine.slot import Slot
from inference.engine.widths import Widths
from inference.errors import GenerationCancelled, RequestError
from inference.executors.reports import is_device_lost
from inference.families.base import DiffusionModel
from inference.families.schedulers import check_scheduler
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult
from inference.tasks.edit import no_editor
from inference.tasks.img2img import Img2Img, Painter
from inference.tasks.style import check_style


class Engine:
    """Runs the requests for one model together, a denoising step at a time.

    A new request joins at the next step and leaves when it is done. Not thread-safe, but `cancel`
    may be called from any thread.

    revision, versions: go into the results. clock: seconds, monotonic. preview: None is the one
    that needs no further weights. memory: None is that of the model's device.
    painter: paints drawings before they are painted over; None: they are as they are.
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
        preview: Preview | None = None,
        memory: Memory | None = None,
        painter: Painter | None = None,
    ) -> None:
        self._model = model
        self._painter = painter
        self._info = info
        self._settings = settings
        self._revision = revision
        self._versions = versions or {}
        self._clock = clock
        self._numbers = count()
        self._jobs: dict[int, Job] = {}
        self._arrived: list[Job] = []
        self._slots: list[Slot] = []
        self._cancelled: set[int] = set()

        codec, modules, strict = model.codec, model.modules, settings.strict
        passes = Passes(memory or memory_of(model.device), Costs(modules, codec.factor))
        savings = Savings(modules, codec.factor, model.device)
        ladder = Ladder(savings)
        largest = Largest(model, passes, savings, ladder, multiple=info.multiple)
        together = 1 if strict else settings.together
        autoencoder = Autoencoder(codec, passes, savings, ladder, together=together)
        self._files = files = Files(ahead=settings.slots)
        encoder = Encoder(autoencoder, files, ladder, largest, kept=settings.sources)
        parameters = sum(each.numel() for each in modules.denoiser.parameters())
        widths = Widths()
        self._batches = Batches(settings, ladder, parameters, widths)
        self._admission = Admission(settings, self._batches, ladder, passes)
        self._opener = Opener(
            model,
            encoder,
            passes,
            savings,
            default_scheduler=info.default_scheduler,
            clock=clock,
        )
        self._denoiser = Denoiser(
            model, passes, savings, ladder, largest, widths=widths, strict=strict
        )
        self._decoder = Decoder(autoencoder, files, largest, strict=strict)
        self._reporter = Reporter(
            preview or Preview(codec),
            passes,
            savings,
            seconds=settings.preview_seconds,
            clock=clock,
        )

    @property
    def calls(self) -> int:
        """Forward passes of the denoiser so far."""
        return self._denoiser.calls

    @property
    def capacity(self) -> int:
        """Requests worth having at once: those of the model's own size that run together and, where
        they take turns, as many that wait to take their places. Where the oldest goes first the
        others wait as well in the queue, which is fair and says how long it is."""
        places = self._info.pixel_budget // self._model.codec.factor**2
        rows = self._batches.most((1, places, 1), 2)
        together = min(self._settings.slots, max(FEWEST, rows // 2))
        return 2 * together if self._settings.turns else together

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
        check_style(request, self._info)
        if request.task == "edit":  # what follows instructions runs in a SerialEngine
            raise RequestError(no_editor(self._info.id))
        job = Job(
            id=job_id,
            number=next(self._numbers),
            request=request,
            on_progress=on_progress,
            submitted=self._clock(),
        )
        self._jobs[job_id] = job
        self._arrived.append(job)
        self._cancelled.discard(job_id)

    def cancel(self, job_id: int) -> None:
        """Ends it with GenerationCancelled before the next forward pass; unknown ids are ignored.

        From any thread.
        """
        self._cancelled.add(job_id)

    @torch.inference_mode()
    def step(self) -> list[Outcome]:
        """Advances every picture in flight by one step or more; returns the jobs that ended by it.

        What strikes one request is in its outcome. Where memory runs out it is gone about with
        less; see `Ladder`. What else strikes a whole batch, or the device, is raised, and the
        engine is not to be used further.
        """
        self._drop_cancelled()
        self._take_in()
        self._admit()
        for batch in self._batches.tick(self._slots):
            self._drop_cancelled()
            if all(slot.live for slot in batch.slots):
                self._denoiser.advance(batch)
        self._reporter.tell(slot for slot in self._slots if slot.live)
        self._decoder.decode(slot for slot in self._slots if slot.live and slot.finished)
        self._sweep()
        idle = not self._slots and not any(job.wants_slot for job in self._jobs.values())
        self._files.collect(idle=idle)
        return [self._leave(job) for job in list(self._jobs.values()) if job.over]

    def _drop_cancelled(self) -> None:
        while self._cancelled:
            job = self._jobs.get(self._cancelled.pop())
            if job is not None:
                job.fail(GenerationCancelled("The job was cancelled."))

    def _take_in(self) -> None:
        """Settles the sizes of what arrived and puts it in line."""
        arrived, self._arrived = self._arrived, []
        for job in arrived:
            if not job.over:
                self._settle(job)
            if not job.over:
                self._admission.add(job)
                self._files.expect(job)

    def _settle(self, job: Job) -> None:
        try:
            job.task = task = Img2Img.prepare(job.request, self._info, self._painter)
            job.size = self._model.codec.shape(*task.work)
            job.sees_hole = self._model.sees_hole
            if job.request.strength == 0:
                job.started = self._clock()
                job.pictures = dict(enumerate(task.unchanged()))
        # Else it is about this one request: the others must not fall with it.
        except Exception as error:
            if is_device_lost(error):
                raise
            job.fail(error)

    def _admit(self) -> None:
        """Gives free slots to pictures that wait; where one fails at once, to the next."""
        self._admission.tick()
        while admitted := self._chosen():
            self._slots += self._opener.open(admitted)

    def _chosen(self) -> list[tuple[Job, int]]:
        chosen: list[tuple[Job, int]] = []
        flight = [(slot.job.size, len(slot.rows)) for slot in self._slots if slot.live]
        while (picture := self._admission.take(flight)) is not None:
            chosen.append(picture)
            flight.append((picture[0].size, picture[0].each))
        return chosen

    def _sweep(self) -> None:
        """Forgets the slots that are done with; jobs that start over go back in line."""
        for slot in self._slots:
            if not slot.live and not slot.job.over:
                self._admission.add(slot.job)
        self._slots = [slot for slot in self._slots if slot.live and not slot.finished]

    def _leave(self, job: Job) -> Outcome:
        del self._jobs[job.id]
        return Outcome(
            job_id=job.id,
            result=job.error or self._result(job),
            submitted=job.submitted,
            started=job.started,
            finished=self._clock(),
        )

    def _result(self, job: Job) -> GenerationResult:
        name = job.request.scheduler or self._info.default_scheduler
        return GenerationResult(
            images=tuple(job.pictures[index] for index in range(job.request.count)),
            model=self._info.id,
            revision=self._revision,
            scheduler=name or self._model.schedulers.own_class,
            steps_run=max(job.lengths.values(), default=0),
            seconds=self._clock() - (job.started or job.submitted),
            batch_shape=job.batch_shape,
            versions=self._versions | dict(pin for row in job.rows for pin in row.pins),
        )
