"""Exceptions of the engine's process turned into those that the bot's process knows."""

import re
import traceback

from inference.errors import EngineFault, InferenceError, OutOfMemory

_RAN_OUT = re.compile(
    r"DefaultCPUAllocator|not enough memory|can't allocate memory|out of memory|ALLOC_FAILED"
)
"""What plain RuntimeErrors say: of torch's allocator for the CPU, of CUDA and its libraries."""

_DEVICE_LOST = re.compile(r"CUDA error|Error \[CUDA\]")
"""What plain RuntimeErrors say: of CUDA's libraries and of compiled kernels."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the device or of the machine; told without importing torch."""
    return (
        isinstance(error, MemoryError | OutOfMemory)
        or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
        or (isinstance(error, RuntimeError) and _RAN_OUT.search(str(error)) is not None)
        or (error.__cause__ is not None and is_out_of_memory(error.__cause__))
    )


def is_device_lost(error: BaseException) -> bool:
    """Whether the device failed, after which nothing more can be done on it by this process."""
    return not is_out_of_memory(error) and (
        any(kind.__name__ == "AcceleratorError" for kind in type(error).__mro__)
        or (isinstance(error, RuntimeError) and _DEVICE_LOST.search(str(error)) is not None)
        or (error.__cause__ is not None and is_device_lost(error.__cause__))
    )


def reported(error: BaseException) -> InferenceError:
    """The error to report for one run: of a class of `inference.errors`, with its text alone."""
    if is_out_of_memory(error):
        return OutOfMemory(f"The device's memory ran out: {error}")
    if isinstance(error, InferenceError):
        known = next(k for k in type(error).__mro__ if k.__module__ == InferenceError.__module__)
        return known(str(error))
    fault = EngineFault(f"{type(error).__name__}: {error}")
    fault.add_note("".join(traceback.format_exception(error)))
    return fault
