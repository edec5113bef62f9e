"""An executor that keeps one engine's process alive and replaces it when it dies."""

import asyncio
import itertools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference.errors import ExecutorLost, GenerationCancelled
from inference.executors.base import ExecutorState
from inference.executors.child import ChildProcess
from inference.executors.frames import FrameError
from inference.executors.messages import (
    Advanced,
    Alive,
    Cancel,
    Dying,
    Finished,
    Loading,
    Message,
    Ready,
    Run,
    Unusable,
)
from inference.executors.vigil import Timing, Vigil
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress

STRICT_ENGINE = "inference.engine.factory:load_engine"
FAST_ENGINE = "inference.engine.factory:load_fast_engine"

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, slots=True)
class _Flight:
    """One call of `generate`. sent: the living process has it; cancelled: it was told to stop."""

    job_id: int
    request: GenerationRequest
    on_progress: Callable[[Progress], None]
    future: asyncio.Future[GenerationResult]
    sent: bool = False
    cancelled: bool = False


class ProcessExecutor:
    """An `Executor` in a process of its own, one per device.

    model: what is loaded at the start: a catalogue entry, a hub repository or a local folder.
    models_folder: further models that a request may name; see `inference.catalog`.
    device: `auto`, `cpu`, `cuda` or `cuda:N`.
    threads: CPU threads of the engine, ≥ 1; None: one per core.
    engine: `module:function` that loads a model onto a device.
    """

    def __init__(
        self,
        *,
        model: str,
        models_folder: Path | None = None,
        device: str = "auto",
        threads: int | None = None,
        engine: str = STRICT_ENGINE,
        timing: Timing | None = None,
    ) -> None:
        self._model = model
        self._models_folder = models_folder
        self._device = device
        self._capacity = 1
        self._threads = threads
        self._engine = engine
        self._timing = timing or Timing()
        self._state = ExecutorState.STARTING
        self._problem: str | None = None
        self._flights: dict[int, _Flight] = {}
        self._tickets = itertools.count(1)
        self._child: ChildProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def state(self) -> ExecutorState:
        """Where the process is in its life; STARTING again while it is replaced."""
        return self._state

    @property
    def problem(self) -> str | None:
        """Why the state is FAILED, or why a dead process is being replaced, else None."""
        return self._problem

    @property
    def capacity(self) -> int:
        """Jobs worth having in flight at once, as the engine says; 1 until it is ready."""
        return self._capacity

    @property
    def pid(self) -> int | None:
        """The living process's id, for the log and the metrics; None while there is none."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Begins to start and load in the background; returns at once."""
        if self._supervisor is None and self._state is not ExecutorState.CLOSED:
            self._supervisor = asyncio.create_task(self._supervise())
            self._supervisor.add_done_callback(_tell_defect)

    async def generate(
        self, job_id: int, request: GenerationRequest, on_progress: Callable[[Progress], None]
    ) -> GenerationResult:
        """Runs one request; see `Executor.generate` for what it raises.

        EngineFault, an unexpected exception under this job alone, carries the traceback.
        """
        if self._state is ExecutorState.CLOSED:
            raise ExecutorLost("The engine is closed.")
        ticket = next(self._tickets)
        future: asyncio.Future[GenerationResult] = asyncio.get_running_loop().create_future()
        flight = _Flight(job_id=job_id, request=request, on_progress=on_progress, future=future)
        self._flights[ticket] = flight
        self._launch()
        try:
            return await future
        except asyncio.CancelledError:
            self._tell_cancel(ticket, flight)
            raise
        finally:
            del self._flights[ticket]

    def cancel(self, job_id: int) -> None:
        """Stops the job before its next step; unknown ids are ignored."""
        for ticket, flight in self._flights.items():
            if flight.job_id == job_id:
                self._tell_cancel(ticket, flight)

    async def close(self) -> None:
        """Ends the process within seconds; jobs in flight raise ExecutorLost. Idempotent."""
        self._state = ExecutorState.CLOSED
        self._lose(ExecutorLost("The engine was closed."), waiting=True)
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])

    def _launch(self) -> None:
        """Sends what waits, if the process has got as far as taking it."""
        if self._child is None or self._state not in (ExecutorState.READY, ExecutorState.FAILED):
            return
        for ticket, flight in self._flights.items():
            if not flight.sent and not flight.future.done():
                flight.sent = True
                self._child.send(Run(ticket=ticket, request=flight.request))

    def _tell_cancel(self, ticket: int, flight: _Flight) -> None:
        if flight.cancelled:
            return
        flight.cancelled = True
        if flight.sent and self._child is not None:
            self._child.send(Cancel(ticket=ticket))
        elif not flight.future.done():
            flight.future.set_exception(GenerationCancelled("Cancelled before it began."))

    def _lose(self, error: ExecutorLost, *, waiting: bool = False) -> None:
        """Ends the flights that the process had, and those that wait for one if asked to."""
        for flight in self._flights.values():
            if flight.future.done() or not (flight.sent or waiting):
                continue
            if flight.cancelled:
                flight.future.set_exception(GenerationCancelled("Cancelled while it ran."))
            else:
                flight.future.set_exception(type(error)(str(error)))

    async def _supervise(self) -> None:
        deaths = 0
        try:
            while True:
                useful, error = await self._live()
                deaths = 1 if useful else deaths + 1
                pause = self._timing.pause(deaths)
                _log.error("%s Another process starts in %g s.", error, pause)
                self._problem = str(error)
                self._state = ExecutorState.STARTING
                self._lose(error)
                await asyncio.sleep(pause)
        finally:
            self._state = ExecutorState.CLOSED
            self._lose(ExecutorLost("The engine was closed."), waiting=True)

    async def _live(self) -> tuple[bool, ExecutorLost]:
        """One process from start to end: whether it finished any run, and why it ended."""
        try:
            self._child = child = await ChildProcess.start(self._command(), self._environment())
        except OSError as error:
            return False, ExecutorLost(f"The engine's process cannot be started: {error}.")
        useful = False
        vigil = Vigil(self._timing)
        guard = asyncio.create_task(self._guard(child, vigil))
        last_words: ExecutorLost | None = None
        how = ""
        try:
            async for message in child.messages():
                vigil.hear(message)
                useful = useful or isinstance(message, Finished)
                if isinstance(message, Dying):
                    last_words = message.error
                    child.kill()  # or its threads come to the end of their work first
                    break
                self._handle(message)
        except FrameError as error:
            child.kill()
            last_words = ExecutorLost(f"The engine's process said something unreadable: {error}.")
        finally:
            self._child = None
            hung = guard.result() if guard.done() else None
            guard.cancel()
            how = await child.end(self._timing.grace)
        return useful, last_words or ExecutorLost(f"The engine's process died: {hung or how}.")

    async def _guard(self, child: ChildProcess, vigil: Vigil) -> str:
        """Kills the process when it hangs; tells why."""
        while True:
            await asyncio.sleep(self._timing.heartbeat)
            reason = vigil.round()
            if reason is not None:
                child.kill()
                return reason

    def _handle(self, message: Message) -> None:
        match message:
            case Loading():
                self._state = ExecutorState.LOADING
            case Ready(capacity=capacity):
                self._state, self._problem = ExecutorState.READY, None
                self._capacity = capacity
                self._launch()
            case Unusable(reason=reason):
                _log.error("The model cannot be used: %s", reason)
                self._state, self._problem = ExecutorState.FAILED, reason
                self._launch()
            case Advanced(ticket=ticket, progress=progress):
                flight = self._flights.get(ticket)
                if flight is not None and not flight.future.done():
                    # Not called from here: what it raises is its owner's, not the process's.
                    asyncio.get_running_loop().call_soon(flight.on_progress, progress)
            case Finished(ticket=ticket, outcome=outcome):
                flight = self._flights.get(ticket)
                if flight is None or flight.future.done():
                    return
                if isinstance(outcome, Exception):
                    flight.future.set_exception(outcome)
                else:
                    flight.future.set_result(outcome)
            case Alive():
                pass
            case _:
                _log.error("The engine's process sent a %s.", type(message).__name__)

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "inference.executors.worker"]
        command += ["--parent", str(os.getpid()), "--model", self._model]
        command += ["--device", self._device, "--engine", self._engine]
        command += ["--heartbeat", str(self._timing.heartbeat)]
        if self._models_folder is not None:
            command += ["--models-folder", str(self._models_folder)]
        return command

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        # What the engine prints is the bot's log, where progress bars are noise.
        environment["TQDM_DISABLE"] = environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        if self._threads is not None:
            environment["OMP_NUM_THREADS"] = str(self._threads)
        return environment


def _tell_defect(supervisor: asyncio.Task[None]) -> None:
    """It ends by being cancelled, never by itself."""
    if not supervisor.cancelled():
        _log.critical("The engine is given up.", exc_info=supervisor.exception())
