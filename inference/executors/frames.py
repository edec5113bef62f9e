"""Messages on a pipe: four bytes of length, then a pickle.

Both ends admit the message, request, result and error types and nothing else: a pickle must not
be able to make the bot's process import torch, nor to call anything.
"""

import asyncio
import io
import pickle
import struct
from typing import Any, BinaryIO

from inference.executors.messages import Message

_LENGTH = struct.Struct("!I")
_MODULES = frozenset(
    {
        "inference.errors",
        "inference.executors.messages",
        "inference.loras",
        "inference.options",
        "inference.request",
        "inference.result",
    }
)


class FrameError(Exception):
    """The stream holds something that is no message; nothing after it can be trusted."""


def encode(message: Message) -> bytes:
    """One frame. Raises FrameError for what is not admitted, and at 4 GiB or more."""
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=5).dump(message)
        body = buffer.getbuffer()
        return b"".join((_LENGTH.pack(len(body)), body))
    except struct.error:
        raise FrameError(f"a message of {len(body)} bytes is too large") from None


def decode(body: bytes) -> Message:
    """The inverse of `encode`, without the length. Raises FrameError."""
    try:
        return _Unpickler(io.BytesIO(body)).load()
    except FrameError:
        raise
    except Exception as error:  # pickle promises no narrower class for bytes that are none
        raise FrameError(f"not a message: {error}") from error


def read(stream: BinaryIO) -> Message | None:
    """The next message of a blocking stream; None at its end. Raises FrameError."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    return decode(body) if len(body) == length else None


async def read_async(stream: asyncio.StreamReader) -> Message | None:
    """The next message of a stream; None at its end. Raises FrameError."""
    try:
        (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
        return decode(await stream.readexactly(length))
    except asyncio.IncompleteReadError:
        return None


def _admitted(kind: type) -> bool:
    return kind.__module__ in _MODULES


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: object) -> Any:
        # Called for all but plain values of the exact built-in types.
        kind = obj if isinstance(obj, type) else type(obj)
        if not _admitted(kind):
            raise FrameError(f"{kind.__module__}.{kind.__qualname__} does not belong in a message")
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _MODULES and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and _admitted(found):
                return found
        raise FrameError(f"{module}.{name} does not belong in a message")
