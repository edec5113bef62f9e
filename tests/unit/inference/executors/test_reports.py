"""Exceptions of the engine's process, as the bot's process is told of them."""

import pytest

from inference.errors import (
    EngineFault,
    InferenceError,
    ModelError,
    OutOfMemory,
    RequestError,
)
from inference.executors.reports import reported


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


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


def test_a_fault_carries_its_traceback() -> None:
    try:
        _ = {}["absent"]  # type: ignore[var-annotated]
    except KeyError as error:
        told = reported(error)
    assert "test_a_fault_carries_its_traceback" in told.__notes__[0]
