"""One life of an engine's process, seen from the bot's."""

import asyncio
import logging
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Self

from inference.executors import frames
from inference.executors.messages import Message

_BUFFER = 1024 * 1024
_LONGEST_LINE = 8 * 1024
_LEVELS = {
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}

_log = logging.getLogger(__name__)


class ChildProcess:
    """A started process with its three pipes. `end` must be awaited at last."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._log_copier = asyncio.create_task(_copy_to_log(process.stderr, process.pid))

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> Self:
        """Raises OSError when the system cannot start one."""
        pipe = asyncio.subprocess.PIPE
        return cls(
            await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=_BUFFER, env=environment
            )
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Hands a message over without waiting; one to a dead process is lost.

        What is in flight bounds what is buffered here.
        """
        if not self._stdin.is_closing():
            self._stdin.write(frames.encode(message))

    async def messages(self) -> AsyncIterator[Message]:
        """What it says, until it ends. Raises FrameError."""
        while (message := await frames.read_async(self._stdout)) is not None:
            yield message

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        if self._process.returncode is None:
            self._process.kill()

    async def end(self, grace: float) -> str:
        """Lets it end by itself within `grace` seconds, then kills it; tells how it ended."""
        self._stdin.close()
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:  # also when the caller is cancelled: nothing is left behind
            self.kill()
            await self._process.wait()
            # A process that it started itself may hold its stderr open.
            await asyncio.wait([self._log_copier], timeout=1)
            self._log_copier.cancel()
        return _manner(self._process.returncode)


def _manner(status: int | None) -> str:
    if status == -signal.SIGKILL:
        return "it was killed (SIGKILL; often the machine's memory had run out)"
    if status is not None and status < 0:
        return f"it was killed by {signal.Signals(-status).name}"
    return f"it ended with status {status}"


async def _copy_to_log(stderr: asyncio.StreamReader, pid: int) -> None:
    """Line by line, each at the level that it begins with."""
    rest = ""
    while chunk := await stderr.read(_LONGEST_LINE):
        *lines, rest = re.split(r"[\r\n]+", rest + chunk.decode("utf-8", "replace"))
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], ""
        for line in filter(None, lines):
            _log_line(pid, line)
    if rest:
        _log_line(pid, rest)


def _log_line(pid: int, line: str) -> None:
    _log.log(_LEVELS.get(line.split(" ", 1)[0], logging.INFO), "engine %d: %s", pid, line)
