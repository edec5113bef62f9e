"""One engine's process: `python -m inference.executors.worker …`, started by `ProcessExecutor`.

It speaks over its stdin and stdout and lives no longer than they do: when the bot is gone, killed
or not, stdin ends, and so does this. Everything that a library prints goes to stderr.
"""

import argparse
import ctypes
import importlib
import logging
import os
import queue
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

from inference.catalog import Catalog, ModelInfo
from inference.errors import ExecutorLost, OutOfMemory
from inference.executors import frames
from inference.executors.loop import Loop, Pulse
from inference.executors.memory import room_for_models
from inference.executors.messages import Alive, Dying, Message
from inference.executors.models import Engine, EngineFactory, Models
from inference.executors.reports import is_out_of_memory

ORDERLY_END = 2.0
"""Seconds that the loop has to end by itself once the bot is gone."""

NICENESS = 5
"""The bot answers Discord on the same cores, and goes first."""

_PR_SET_PDEATHSIG = 1

_log = logging.getLogger(__name__)

Inbox = queue.SimpleQueue[Message | None]


class _Outbox:
    """Writes whole messages, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        frame = frames.encode(message)
        try:
            with self._lock:
                self._stream.write(frame)
                self._stream.flush()
        except BrokenPipeError:
            os._exit(0)  # nobody is left to tell


def main() -> int:
    """Serves until stdin ends; the exit status says whether that was the reason."""
    arguments = _arguments()
    _die_with(arguments.parent)
    source, sink = _take_pipes()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Ctrl+C and a service manager reach the whole group; the bot decides when this ends.
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    inbox: Inbox = queue.SimpleQueue()
    outbox = _Outbox(sink)
    pulse = Pulse()
    _start_thread(_listen, source, inbox)
    _start_thread(_beat, outbox, pulse, arguments.heartbeat)
    try:
        Loop(
            models=Models(
                Catalog(arguments.models_folder, default=arguments.model),
                _factory(arguments.engine),
                device=arguments.device,
                room=partial(room_for_models, arguments.device),
            ),
            default=arguments.model,
            inbox=inbox,
            send=outbox.send,
            pulse=pulse,
        ).run()
    # The last words: what it was goes to the log in full, and to the bot in one sentence.
    except Exception as error:
        _log.exception("The engine ends.")
        kind = OutOfMemory if is_out_of_memory(error) else ExecutorLost
        outbox.send(Dying(error=kind(f"The engine failed: {type(error).__name__}: {error}")))
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="inference.executors.worker")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--models-folder", type=Path)
    parser.add_argument("--device", required=True)
    parser.add_argument("--engine", required=True, help="module:factory")
    parser.add_argument("--heartbeat", type=float, required=True, help="seconds")
    return parser.parse_args()


def _die_with(parent: int) -> None:
    """On Linux the kernel kills this process with its parent, even if it is stuck somewhere.

    With the parent's thread that started it, strictly: the one that runs the event loop.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(0)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """stdin and stdout for ourselves; file descriptor 0 then reads nothing, 1 is stderr."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb")


def _start_thread(target: object, *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()  # type: ignore[arg-type]


def _listen(source: BinaryIO, inbox: Inbox) -> None:
    try:
        while (message := frames.read(source)) is not None:
            inbox.put(message)
    except frames.FrameError:
        _log.exception("The bot's process said something unreadable.")
    finally:
        inbox.put(None)
        time.sleep(ORDERLY_END)
        os._exit(0)


def _beat(outbox: _Outbox, pulse: Pulse, interval: float) -> None:
    while True:
        outbox.send(Alive(ticks=pulse.ticks, busy=pulse.busy))
        time.sleep(interval)


def _factory(name: str) -> EngineFactory:
    """Imports what it needs, seconds of torch, when it is called: the bot is told first."""
    module, _, attribute = name.partition(":")

    def load(info: ModelInfo, device: str) -> Engine:
        factory: EngineFactory = getattr(importlib.import_module(module), attribute)
        return factory(info, device)

    return load


if __name__ == "__main__":
    sys.exit(main())
