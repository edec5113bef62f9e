"""An arm in a process of its own: its memory can be told from the others', and its caches too."""

import multiprocessing
import warnings
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import torch

from inference.families.load import find_device
from tests.benchmarks.engine.arms import Arm
from tests.benchmarks.engine.compiled import compile_pipeline
from tests.benchmarks.engine.engine_arm import EngineArm
from tests.benchmarks.engine.measures import Run
from tests.benchmarks.engine.pipeline_arm import PipelineArm, load_pipeline
from tests.benchmarks.engine.replay import replay
from tests.benchmarks.engine.traces import Trace

SAMPLING = 0.05
"""Seconds between two looks at a process's memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmSpec:
    """How to build an arm.

    strict: for this engine, None for diffusers' pipeline. limit, window: see `PipelineArm`.
    compiled: None as it is; else compiled, True meaning for any shape at once.
    """

    name: str
    folder: Path
    device: str
    strict: bool | None = None
    limit: int = 1
    window: float = 0.0
    compiled: bool | None = None


class LocalRunner:
    """An arm in this process; its memory is nobody's in particular."""

    def __init__(self, spec: ArmSpec) -> None:
        self._arm = build(spec)

    def replay(self, trace: Trace) -> Run:
        """Has it serve a trace."""
        return replay(self._arm, trace)

    def close(self) -> None:
        """Nothing to do."""


class ArmProcess:
    """An arm in a child process; while one works the others wait for their pipe.

    Memory is the child's resident set, looked at now and then, or on a GPU what torch allocated.
    The constructor waits until the model is loaded. It and `replay` raise RuntimeError when the
    child died; it has said why itself.
    """

    def __init__(self, spec: ArmSpec) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = spec.name
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, spec), daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    def replay(self, trace: Trace) -> Run:
        """Has it serve a trace."""
        self._connection.send(trace)
        resident = self._watch()
        run: Run = self._answer()
        return run if run.memory is not None else replace(run, memory=resident)

    def close(self) -> None:
        """Ends the process."""
        self._connection.close()
        self._process.join()

    def _watch(self) -> int:
        """The most memory that was seen until there is an answer, in bytes."""
        child, most = psutil.Process(self._process.pid), 0
        while not self._connection.poll(SAMPLING):
            most = max(most, child.memory_info().rss)
        return most

    def _answer(self) -> Any:
        try:
            return self._connection.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"{self._name} died") from error


def build(spec: ArmSpec) -> Arm:
    """The arm, its model in memory."""
    device = find_device(spec.device)
    if spec.strict is not None:
        return EngineArm(spec.folder, device, strict=spec.strict)
    pipe = load_pipeline(spec.folder, device)
    if spec.compiled is not None:
        compile_pipeline(pipe, any_shape=spec.compiled)
    return PipelineArm(pipe, limit=spec.limit, window=spec.window)


def _serve(connection: Connection, spec: ArmSpec) -> None:
    warnings.filterwarnings("ignore", message="__array__ implementation")
    arm = build(spec)
    connection.send(None)
    on_gpu = find_device(spec.device).type == "cuda"
    while True:
        try:
            trace = connection.recv()
        except EOFError:  # closed: no more traces
            return
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        run = replay(arm, trace)
        if on_gpu:
            run = replace(run, memory=torch.cuda.max_memory_allocated())
        connection.send(run)
