"""Arms (d) and (e): this engine."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from inference.engine import factory
from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families.base import Line
from inference.families.load import load_model
from inference.model_info import describe
from inference.result import Progress
from tests.benchmarks.engine.arms import NEVER, Counts, Done
from tests.benchmarks.engine.traces import Arrival


class EngineArm:
    """Hands every job to the engine as it arrives; `work` is one step of the engine."""

    def __init__(self, folder: Path, device: torch.device, *, strict: bool) -> None:
        self._rows = 0
        self._pass = 0.0
        self._started: dict[int, float] = {}
        settings = EngineSettings.for_device(device, strict=strict)
        with patch.object(factory, "load_model", self._load_watched):
            engine = factory.load_engine(describe(folder), str(device), settings)
        assert isinstance(engine.inner, Engine), "such models run one at a time"
        self._engine, self._inner = engine, engine.inner

    def counts(self) -> Counts:
        """Of everything so far."""
        return Counts(calls=self._inner.calls, rows=self._rows)

    def arrive(self, arrival: Arrival) -> None:
        """Takes a job in."""
        self._engine.submit(
            arrival.number, arrival.request, partial(self._progress, arrival.number)
        )

    def due(self, now: float) -> float:
        """At once, while there is work."""
        return now if self._engine.has_work else NEVER

    def work(self, now: float) -> Sequence[Done]:
        """One step. Raises what struck a job."""
        del now
        done = []
        for outcome in self._engine.step():
            if isinstance(outcome.result, Exception):
                raise outcome.result
            done.append(
                Done(
                    number=outcome.job_id,
                    started=self._started.pop(outcome.job_id),
                    finished=time.monotonic(),
                )
            )
        return done

    def _progress(self, number: int, progress: Progress) -> None:
        """A job's first step is behind it: it began no later than the last forward pass did."""
        del progress
        self._started.setdefault(number, self._pass)

    def _load_watched(self, *values: Any, **options: Any) -> Any:
        """`load_model`, whose model says how many rows each forward pass has, and when it begins.

        The engine counts its passes, but not their rows, and says when it begins with a job, not
        when the job's first step begins.
        """
        model = load_model(*values, **options)
        predict = model.predict

        def watched(lines: Sequence[Line]) -> Tensor:
            self._rows += len(lines)
            self._pass = time.monotonic()
            return predict(lines)

        object.__setattr__(model, "predict", watched)  # it is a frozen dataclass
        return model
