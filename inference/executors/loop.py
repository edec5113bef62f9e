"""The loop of an engine's process: take in what the bot says, admit, step, report.

Requests are admitted in the order they came. One for another model waits, and those behind it
with it, until the model that runs has no work: one model steps at a time, and none is starved.
"""

import queue
from collections import deque
from collections.abc import Callable
from functools import partial

from inference.errors import GenerationCancelled, InferenceError
from inference.executors.frames import FrameError
from inference.executors.messages import (
    Advanced,
    Cancel,
    Finished,
    Loading,
    Message,
    Ready,
    Run,
    Unusable,
)
from inference.executors.models import Engine, Models
from inference.executors.reports import is_out_of_memory, reported
from inference.result import GenerationResult, Progress


class Pulse:
    """What the heartbeat tells of the loop. Written by the loop, read by the heartbeat's thread.

    ticks: steps and admissions finished; busy: whether one is being done now.
    """

    def __init__(self) -> None:
        self.ticks = 0
        self.busy = False

    def __enter__(self) -> None:
        self.busy = True

    def __exit__(self, *_: object) -> None:
        self.ticks += 1
        self.busy = False


class Loop:
    """Runs until the inbox yields None, which stands for the end of the bot's process.

    An exception that leaves `run` struck a whole batch: the process is not to be trusted further.
    """

    def __init__(
        self,
        *,
        models: Models,
        default: str,
        inbox: "queue.SimpleQueue[Message | None]",
        send: Callable[[Message], None],
        pulse: Pulse,
    ) -> None:
        self._models = models
        self._default = default
        self._inbox = inbox
        self._send = send
        self._pulse = pulse
        self._waiting: deque[Run] = deque()
        self._engine: Engine | None = None
        self._ready = False

    def run(self) -> None:
        """Loads the default model, then serves."""
        self._send(Loading())
        try:
            self._use(self._default)
        except InferenceError as error:
            if is_out_of_memory(error):
                raise
            self._send(Unusable(reason=str(error)))
        while self._take_in():
            self._admit()
            self._step()

    def _use(self, model: str) -> Engine:
        """Makes a model the one that steps."""
        self._engine = None
        self._engine = engine = self._models.get(model)
        if model == self._default and not self._ready:
            self._ready = True
            self._send(Ready(capacity=engine.capacity))
        return engine

    def _take_in(self) -> bool:
        """Drains the inbox, waiting for a message when there is nothing else to do."""
        while True:
            idle = not self._waiting and (self._engine is None or not self._engine.has_work)
            try:
                message = self._inbox.get(block=idle)
            except queue.Empty:
                return True
            match message:
                case None:
                    return False
                case Run():
                    self._waiting.append(message)
                case Cancel():
                    self._cancel(message.ticket)

    def _cancel(self, ticket: int) -> None:
        for run in self._waiting:
            if run.ticket == ticket:
                self._waiting.remove(run)
                self._finish(ticket, GenerationCancelled("Cancelled before it began."))
                return
        if self._engine is not None:
            self._engine.cancel(ticket)

    def _admit(self) -> None:
        while self._waiting:
            run = self._waiting[0]
            try:
                if self._engine is None or self._models.loaded(run.request.model) != self._engine:
                    if self._engine is not None and self._engine.has_work:
                        return
                    self._use(run.request.model)
            except InferenceError as error:
                self._finish(run.ticket, error)
            else:
                self._submit(run)
            self._waiting.popleft()

    def _submit(self, run: Run) -> None:
        assert self._engine is not None
        with self._pulse:
            try:
                self._engine.submit(run.ticket, run.request, partial(self._advance, run.ticket))
            # Whatever it is, it is about this one request: the others must not fall with it.
            except Exception as error:
                self._finish(run.ticket, error)

    def _step(self) -> None:
        if self._engine is None or not self._engine.has_work:
            return
        with self._pulse:
            outcomes = self._engine.step()
        for outcome in outcomes:
            self._finish(outcome.job_id, outcome.result)

    def _advance(self, ticket: int, progress: Progress) -> None:
        self._send(Advanced(ticket=ticket, progress=progress))

    def _finish(self, ticket: int, outcome: GenerationResult | Exception) -> None:
        if isinstance(outcome, Exception):
            outcome = reported(outcome)
        try:
            self._send(Finished(ticket=ticket, outcome=outcome))
        except FrameError as error:
            self._send(Finished(ticket=ticket, outcome=reported(error)))
