"""Exceptions of the engine's process turned into those that the bot's process knows."""

import traceback

from inference.errors import EngineFault, InferenceError, OutOfMemory


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the device or of the machine; told without importing torch."""
    return (
        isinstance(error, MemoryError | OutOfMemory)
        or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
        # What torch's allocator for the CPU raises is a plain RuntimeError.
        or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))
        or (error.__cause__ is not None and is_out_of_memory(error.__cause__))
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
