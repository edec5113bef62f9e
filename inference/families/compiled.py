"""A network's forward pass, compiled in the background for the shapes that are used most."""

import copy
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import chain
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from inference.executors.reports import is_out_of_memory
from inference.families.blanks import blank, fill, key_of, name_of
from inference.families.cache import Cache
from inference.families.lora_set import LoraSet
from inference.families.weights import first_line

KEPT = 16
"""Shapes that are compiled at a time."""

WORTH = 10
"""Passes of one shape before it is compiled, which takes as long as hundreds of them: fewer may
be all that ever come."""

IDLE = 1000
"""Passes of other shapes after which a compiled one gives up its place."""

_REMEMBERED = 256

_log = logging.getLogger(__name__)

Backend = Callable[[torch.fx.GraphModule, list[Tensor]], Callable[..., Any]]


@dataclass(kw_only=True, slots=True, eq=False)
class _Shape:
    """What is known of one shape.

    passes: so far, last: the number of the last one. asked: whether it waits to be compiled or
    is. failed: it cannot be compiled. run: the compiled pass.
    """

    name: str
    passes: int = 0
    last: int = 0
    asked: bool = False
    failed: bool = False
    run: Callable[..., Any] | None = None


class CompiledForward:
    """Stands for a network: takes the same arguments, by name, and gives the same results.

    It runs the network as it is until the compiled pass for the arguments' shapes is ready, so
    nothing waits for the compiler; results agree to rounding only, and which way one was made
    depends on the time. A compiler that fails or is missing is logged, and that shape, or where
    it never worked every shape, stays as it was.

    Each shape is a function of its own: torch.compile takes 8 shapes of one function
    (`torch._dynamo.config.recompile_limit`) and runs the ninth uncompiled, without a word. One
    more shape than `kept` takes the place of one that was not used lately, else it is logged and
    stays uncompiled.

    What is compiled is a copy of the network that shares its weights, as it is now: hooks and
    processors that it gets later are not in it. While attention has another processor, the
    network itself runs. While it has hooks, do not call this.

    To be called from one thread, and in inference mode. backend: as torch.compile knows it.
    kept, worth: see KEPT and WORTH.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        backend: str | Backend = "inductor",
        kept: int = KEPT,
        worth: int = WORTH,
    ) -> None:
        self._network = network
        self._twin = _twin(network)
        self._attention = next((m for m in network.modules() if hasattr(m, "processor")), None)
        self._processor = getattr(self._attention, "processor", None)
        self._backend = backend
        self._kept = kept
        self._worth = worth
        self._shapes: Cache[Hashable, _Shape] = Cache(_REMEMBERED)
        self._compiled: list[_Shape] = []
        self._passes = 0
        self._worked = False
        self._off = False
        self._full = False
        self._waiting: deque[tuple[_Shape, dict[str, Any]]] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> list[str]:
        """The shapes that are compiled."""
        return [shape.name for shape in self._compiled if shape.run is not None]

    def settle(self) -> None:
        """Waits until everything that was asked for is compiled."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def __call__(self, **inputs: Any) -> Any:
        """The network's output."""
        if self._off or getattr(self._attention, "processor", None) is not self._processor:
            return self._network(**inputs)
        shape = self._shapes.get(key_of(inputs), lambda: _Shape(name=name_of(inputs)))
        self._passes += 1
        shape.passes, shape.last = shape.passes + 1, self._passes
        if shape.run is not None:
            return self._run(shape, shape.run, inputs)
        if shape.passes >= self._worth and not shape.asked and not shape.failed:
            self._ask(shape, inputs)
        return self._network(**inputs)

    def _run(self, shape: _Shape, run: Callable[..., Any], inputs: dict[str, Any]) -> Any:
        try:
            return run(**inputs)
        # Whatever generated code can raise; the job must not fail by it.
        except Exception as error:
            if is_out_of_memory(error):
                raise
            _log.warning("%s stays uncompiled: %s", shape.name, first_line(error))
            shape.run, shape.failed = None, True
        return self._network(**inputs)

    def _ask(self, shape: _Shape, inputs: dict[str, Any]) -> None:
        if not self._has_room():
            return
        self._compiled.append(shape)
        shape.asked = True
        with self._lock:
            self._waiting.append((shape, blank(inputs)))
            if self._thread is None:
                # It ends with the last shape, so that it keeps no unloaded model alive.
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()

    def _has_room(self) -> bool:
        """Whether one more shape may be compiled."""
        self._compiled = [shape for shape in self._compiled if not shape.failed]
        if len(self._compiled) < self._kept:
            return True
        oldest = min(self._compiled, key=lambda shape: shape.last)
        if oldest.run is None or self._passes - oldest.last < IDLE:
            if not self._full:
                _log.info("%d shapes are compiled; further ones stay uncompiled.", self._kept)
            self._full = True
            return False
        self._compiled.remove(oldest)
        oldest.run, oldest.asked, oldest.passes = None, False, 0
        return True

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                shape, blanks = self._waiting.popleft()
            if not self._off:
                self._compile(shape, blanks)

    def _compile(self, shape: _Shape, blanks: dict[str, Any]) -> None:
        begun = time.monotonic()
        try:
            run = torch.compile(
                _function(self._twin), backend=self._guarded, fullgraph=True, dynamic=False
            )
            with torch.inference_mode():
                run(**fill(blanks))
        # A missing compiler, a bug in it, too little memory: none of it is worth a job.
        except Exception as error:
            reason = getattr(error, "inner_exception", error)  # what torch.compile wraps
            shape.failed = True
            self._off = not self._worked and not is_out_of_memory(reason)
            rest = "; nothing will be compiled" if self._off else ""
            _log.warning("%s cannot be compiled%s: %s", shape.name, rest, first_line(reason))
        else:
            self._worked = True
            shape.run = run
            _log.info("Compiled %s in %.0f s.", shape.name, time.monotonic() - begun)

    def _guarded(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        if threading.current_thread() is not self._thread:
            # A guard failed that should not, and a job is waiting for the result.
            _log.warning("A compiled pass did not fit its inputs.")
            return graph.forward
        backend = self._backend
        if isinstance(backend, str):
            backend = torch._dynamo.lookup_backend(backend)
        return backend(graph, inputs)


def forward_of(
    network: nn.Module, compiled: CompiledForward | None, loras: LoraSet
) -> Callable[..., Any]:
    """What to call for a forward pass: with LoRAs, which are hooks, the network itself."""
    return network if compiled is None or loras.mix else compiled


def _function(network: nn.Module) -> Callable[..., Any]:
    """A function that calls the network, with code of its own; see `CompiledForward`."""

    def forward(**inputs: Any) -> Any:
        return network(**inputs)

    # A copy is equal, but not the same, and that is what counts.
    code = forward.__code__.replace()
    return FunctionType(code, forward.__globals__, closure=forward.__closure__)


def _twin(network: nn.Module) -> nn.Module:
    weights = chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(weight): weight for weight in weights})
