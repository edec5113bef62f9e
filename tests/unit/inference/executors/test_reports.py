"""Exceptions of the engine's process, as the bot's process is told of them."""

import pytest

from inference.errors import (
    EngineFault,
    InferenceError,
    ModelError,
    OutOfMemory,
    RequestError,
)
from inference.executors.reports import is_device_lost, reported


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


class AcceleratorError(RuntimeError):
    """Likewise."""


class _Narrower(RequestError):
    """Defined where the bot's process cannot import it."""

    def __init__(self, text: str, limit: int) -> None:
        super().__init__(f"{text} {limit}")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (MemoryError(), OutOfMemory, "memory ran out"),
        (OutOfMemoryError("CUDA out of memory"), OutOfMemory, "CUDA out of memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            OutOfMemory,
            "allocate",
        ),
        (ModelError("bad folder"), ModelError, "bad folder"),
        (_Narrower("at most", 5), RequestError, "at most 5"),
        (RuntimeError("shape"), EngineFault, "RuntimeError: shape"),
    ],
)
def test_kinds(error: Exception, kind: type[InferenceError], text: str) -> None:
    told = reported(error)
    assert type(told) is kind
    assert text in str(told)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasSgemm"), True),
        (RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"), True),
        (AcceleratorError("CUDA error: out of memory"), False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), False),
        (RequestError("About a CUDA error: no."), False),
        (RuntimeError("shape"), False),
    ],
)
def test_what_takes_the_device_away(error: Exception, lost: bool) -> None:
    assert is_device_lost(error) is lost
    outer = ModelError("It cannot be loaded.")
    outer.__cause__ = error
    assert is_device_lost(outer) is lost


def test_a_fault_carries_its_traceback() -> None:
    try:
        _ = {}["absent"]  # type: ignore[var-annotated]
    except KeyError as error:
        told = reported(error)
    assert "test_a_fault_carries_its_traceback" in told.__notes__[0]
