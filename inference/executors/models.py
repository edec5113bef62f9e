"""The models in memory: which engine runs a request, and which one goes when room is needed."""

import gc
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from inference.catalog import Catalog, ModelInfo
from inference.errors import ModelError, OutOfMemory
from inference.executors.reports import is_out_of_memory
from inference.model_info import weight_bytes
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress

_log = logging.getLogger(__name__)


class Outcome(Protocol):
    """How one run ended."""

    @property
    def job_id(self) -> int:
        """The id it was submitted under."""

    @property
    def result(self) -> GenerationResult | Exception:
        """Its pictures, or what struck it."""


class Engine(Protocol):
    """One model in memory that runs several requests together, a step at a time."""

    @property
    def capacity(self) -> int:
        """Requests worth having at once; more would only wait."""

    @property
    def has_work(self) -> bool:
        """Whether `step` has something to do."""

    def submit(
        self, job_id: int, request: GenerationRequest, on_progress: Callable[[Progress], None]
    ) -> None:
        """Takes a request in."""

    def cancel(self, job_id: int) -> None:
        """Ends it with GenerationCancelled at the next `step`; unknown ids are ignored."""

    def step(self) -> Sequence[Outcome]:
        """Advances all requests by one step; returns those that ended by it."""


EngineFactory = Callable[[ModelInfo, str], Engine]
"""Loads a model onto a device."""


class Models:
    """At most two models, the one used least recently goes first.

    A second one is kept beside the first only when the weights of both together are within
    `room` bytes and both sizes are known. `room` is asked when there is a second one.
    """

    KEPT = 2

    def __init__(
        self,
        catalog: Catalog,
        factory: EngineFactory,
        *,
        device: str,
        room: Callable[[], int],
    ) -> None:
        self._catalog = catalog
        self._factory = factory
        self._device = device
        self._room = room
        self._engines: dict[str, Engine] = {}
        self._sizes: dict[str, int] = {}

    def loaded(self, name: str) -> Engine | None:
        """The engine of a model if it is in memory. Raises RequestError for an unknown name."""
        return self._engines.get(self._catalog.find(name).location)

    def get(self, name: str) -> Engine:
        """The engine of a model, loading it if need be, which takes seconds to minutes.

        Raises RequestError for an unknown name, ModelError, or OutOfMemory when it does not
        fit even alone.
        """
        info = self._catalog.find(name)
        engine = self._engines.pop(info.location, None)
        if engine is None:
            size = weight_bytes(info.location)
            self._make_room(size)
            engine = self._load(info)
            self._sizes[info.location] = size or weight_bytes(info.location)
        self._engines[info.location] = engine
        return engine

    def _make_room(self, size: int) -> None:
        while self._engines:
            sizes = [size, *(self._sizes[location] for location in self._engines)]
            if len(sizes) <= self.KEPT and all(sizes) and sum(sizes) <= self._room():
                return
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        location = next(iter(self._engines))
        del self._engines[location], self._sizes[location]
        gc.collect()  # a pipeline's parts refer to each other
        _log.info("Unloaded %s.", location)

    def _load(self, info: ModelInfo) -> Engine:
        _log.info("Loading %s on %s.", info.location, self._device)
        if Path(info.location).is_absolute() and not Path(info.location).is_dir():
            raise ModelError(f"The model folder {info.location} is missing.")
        while True:
            try:
                return self._factory(info, self._device)
            # Whatever is wrong with a folder surfaces somewhere inside three libraries, as
            # KeyError, OSError, SafetensorError …: to the owner it is one thing.
            except Exception as error:
                if is_out_of_memory(error):
                    if not self._engines:
                        raise OutOfMemory(f"The model {info.location} does not fit.") from error
                elif isinstance(error, ModelError):
                    raise
                else:
                    _log.exception("Loading %s failed.", info.location)
                    raise ModelError(
                        f"The model {info.location} cannot be loaded: "
                        f"{type(error).__name__}: {error}"
                    ) from error
            self._drop_oldest()
