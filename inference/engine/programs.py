"""Tasks of several rounds, run by an engine that knows only plain requests."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from inference.engine.engine import Engine
from inference.engine.job import OnProgress, Outcome
from inference.engine.serial import SerialEngine
from inference.errors import GenerationCancelled
from inference.families.schedulers import check_scheduler
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from inference.tasks.composed import Compose, composed
from inference.tasks.programs import Product, Program, Round
from inference.tasks.registry import PROGRAMS

WORKERS = 2
"""Threads for what programs do between their rounds: Pillow's work, numpy's and a composer's."""

PATIENCE = 0.05
"""Seconds of one `step` that only waits for those threads."""

Begin = Callable[[GenerationRequest, ModelInfo], Program]


@dataclass(kw_only=True, slots=True, eq=False)
class _Run:
    """One job. A plain request is its own only child.

    thinking: what the program does now between two rounds. waiting: the round's requests that the
    inner engine was not asked for yet, with their places in it. children: the places of those that
    it was, by its id. results: the round's so far, by the place in it. kept: all rounds'.
    whole: of the round. done: steps of the rounds before; more: of those that are to come and of
    what waits. steps, totals: of each child.
    """

    id: int
    request: GenerationRequest
    on_progress: OnProgress
    submitted: float
    program: Program | None = None
    started: float | None = None
    thinking: Future[Round | Product] | None = None
    waiting: deque[tuple[int, GenerationRequest]] = field(default_factory=deque)
    children: dict[int, int] = field(default_factory=dict)
    results: dict[int, GenerationResult] = field(default_factory=dict)
    kept: list[GenerationResult] = field(default_factory=list)
    whole: bool = False
    done: int = 0
    more: int = 0
    steps: dict[int, int] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)
    error: Exception | None = None


class ProgramEngine:
    """Drives the programs of `inference.tasks.programs`; other requests pass through.

    What the rounds of all programs ask for shares forward passes with everything else that the
    inner engine has in flight. Driven like `Engine`: not thread-safe but for `cancel`.

    compose: makes small pictures from words, which are then painted over; None: the model paints
    what words say from noise. revision, versions: of results that needed no model. programs: by the
    task's name.
    """

    def __init__(
        self,
        engine: Engine | SerialEngine,
        info: ModelInfo,
        *,
        compose: Compose | None = None,
        revision: str = "",
        versions: dict[str, str] | None = None,
        programs: Mapping[str, Begin] = PROGRAMS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.inner = engine
        self._info = info
        self._compose = compose
        self._revision = revision
        self._versions = versions or {}
        self._programs = programs
        self._clock = clock
        self._ids = count()
        self._runs: dict[int, _Run] = {}
        self._parents: dict[int, _Run] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="programs")

    @property
    def capacity(self) -> int:
        """Requests worth having at once."""
        return self.inner.capacity

    @property
    def has_work(self) -> bool:
        """Whether `step` has something to do."""
        return bool(self._runs)

    def submit(self, job_id: int, request: GenerationRequest, on_progress: OnProgress) -> None:
        """Takes a request in; as `Engine.submit`."""
        if job_id in self._runs:
            raise ValueError(f"job {job_id} is in flight already")
        run = _Run(id=job_id, request=request, on_progress=on_progress, submitted=self._clock())
        begin = self._begin(request)
        if begin is None:
            self._add(run, 0, request)
        else:
            check_scheduler(request.scheduler)
            run.program = begin(request, self._info)
            self._think(run, None)
        self._runs[job_id] = run

    def _begin(self, request: GenerationRequest) -> Begin | None:
        """Its program; None for what the inner engine runs as it is."""
        if self._compose is not None and request.image is None:
            return partial(composed, compose=self._compose)
        return self._programs.get(request.task)

    def cancel(self, job_id: int) -> None:
        """Ends it with GenerationCancelled; unknown ids are ignored. From any thread."""
        run = self._runs.get(job_id)
        if run is None:
            return
        if run.program is not None:
            run.error = run.error or GenerationCancelled("The job was cancelled.")
        for child in tuple(run.children):
            self.inner.cancel(child)

    def step(self) -> list[Outcome]:
        """Advances what is in flight by one step or more; returns the jobs that ended by it."""
        ended: list[Outcome] = []
        for run in tuple(self._runs.values()):
            if run.thinking is not None and (run.thinking.done() or run.error is not None):
                ended += self._thought(run, run.thinking)
            elif run.error is not None and run.children:
                self._give_up(run)  # cancelled while its round began
        if self.inner.has_work:
            for outcome in self.inner.step():
                ended += self._came(outcome)
        elif waiting := [run.thinking for run in self._runs.values() if run.thinking is not None]:
            # Not for ever: new requests and cancellations come in between two steps.
            wait(waiting, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        return ended

    def _think(self, run: _Run, results: Sequence[GenerationResult] | None) -> None:
        """Has the program go on beside the loop, with the results of its last round."""
        assert run.program is not None
        run.thinking = self._pool.submit(partial(_go_on, run.program, results))

    def _thought(self, run: _Run, thinking: Future[Round | Product]) -> list[Outcome]:
        """It is done, or nobody waits for it any more."""
        if run.error is not None and not thinking.done():
            thinking.cancel()  # or it comes to its end beside the loop, for nobody
            return [self._leave(run, run.error)]
        run.thinking = None
        error = thinking.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        run.error = run.error or error
        if run.error is not None:
            return [self._leave(run, run.error)]
        asked = thinking.result()
        if isinstance(asked, Product):
            if run.started is None:
                run.started = run.submitted  # it had no rounds: thinking was all of its work
            return [self._leave(run, self._result(run, asked))]
        run.waiting.extend(enumerate(asked.requests))
        run.whole = asked.whole
        run.more = asked.more + sum(request.total_steps for request in asked.requests)
        if not asked.requests:
            self._think(run, [])
        return self._ask(run)

    def _ask(self, run: _Run) -> list[Outcome]:
        """Asks for as many of the round's requests as are worth having at once.

        Not for all of them, or a later job would wait for the last tile of a large picture.
        """
        try:
            while run.waiting and len(run.children) < self.inner.capacity:
                place, request = run.waiting.popleft()
                run.more -= request.total_steps
                self._add(run, place, request)
        # What one of them cannot be asked for the job cannot be asked for.
        except Exception as error:
            run.error = run.error or error
            return self._give_up(run)
        return []

    def _add(self, run: _Run, place: int, request: GenerationRequest) -> None:
        child = next(self._ids)
        self.inner.submit(child, request, partial(self._progress, run, child))
        run.children[child] = place
        run.steps[child], run.totals[child] = 0, request.total_steps
        self._parents[child] = run

    def _progress(self, run: _Run, child: int, progress: Progress) -> None:
        if run.program is None:
            run.on_progress(progress)
            return
        run.steps[child], run.totals[child] = progress.step, progress.steps
        step, total = sum(run.steps.values()), sum(run.totals.values())
        # A part of a picture is no preview of it; of several, the first under way is shown.
        alone = len(run.totals) + len(run.waiting) == 1
        first = run.whole and run.children[child] == min(run.children.values())
        preview = progress.preview if alone or first else None
        run.on_progress(
            Progress(step=run.done + step, steps=run.done + total + run.more, preview=preview)
        )

    def _came(self, outcome: Outcome) -> list[Outcome]:
        """A child ended, and by it perhaps its round, and by that perhaps the job."""
        run = self._parents.pop(outcome.job_id)
        place = run.children.pop(outcome.job_id)
        if run.started is None:
            run.started = outcome.started
        if run.program is None:
            return [self._leave(run, outcome.result)]
        if isinstance(outcome.result, Exception):
            run.error = run.error or outcome.result
        else:
            run.results[place] = outcome.result
        if run.error is not None:
            return self._give_up(run)
        if run.waiting:
            return self._ask(run)
        if not run.children:
            results = [run.results[place] for place in sorted(run.results)]
            run.done += sum(run.totals.values())
            run.kept += results
            run.results, run.steps, run.totals = {}, {}, {}
            self._think(run, results)
        return []

    def _give_up(self, run: _Run) -> list[Outcome]:
        """The job has failed; it leaves when the last of its children is gone."""
        run.waiting.clear()
        if run.children:
            for child in run.children:
                self.inner.cancel(child)
            return []
        assert run.error is not None
        return [self._leave(run, run.error)]

    def _leave(self, run: _Run, result: GenerationResult | Exception) -> Outcome:
        del self._runs[run.id]
        if run.program is not None:
            _close(run.program, run.thinking)
        return Outcome(
            job_id=run.id,
            result=result,
            submitted=run.submitted,
            started=run.started,
            finished=self._clock(),
        )

    def _result(self, run: _Run, product: Product) -> GenerationResult:
        last = run.kept[-1] if run.kept else None
        notes = dict.fromkeys(note for result in run.kept for note in result.notes)
        versions = {name: v for result in run.kept for name, v in result.versions.items()}
        steps = sum(result.steps_run * len(result.images) for result in run.kept)
        return GenerationResult(
            images=product.images,
            model=self._info.id,
            revision=last.revision if last else self._revision,
            scheduler=last.scheduler if last else "",
            steps_run=round(steps / len(product.images)),
            seconds=self._clock() - run.submitted,
            batch_shape=last.batch_shape if last else "",
            versions=versions or self._versions,
            notes=(*notes, *product.notes),
        )


def _close(program: Program, thinking: Future[Round | Product] | None) -> None:
    """Closes it, if need be when its thread has come back from it."""
    if thinking is None:
        program.close()
    else:
        thinking.add_done_callback(lambda _: program.close())


def _go_on(program: Program, results: Sequence[GenerationResult] | None) -> Round | Product:
    try:
        return next(program) if results is None else program.send(results)
    except StopIteration as end:
        assert isinstance(end.value, Product)
        return end.value
