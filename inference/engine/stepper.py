"""A function that is run a piece at a time, though its pauses lie within someone else's code."""

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from inference.errors import GenerationCancelled

Report = TypeVar("Report")

Paused = Callable[[Callable[[Report], None]], None]
"""Such a function: it is given `pause`, and calls it with a report wherever it can be held up."""


class Stepper(Generic[Report]):
    """Like a generator whose `yield` may lie deep within a library.

    The function runs in a thread of its own, but only while `advance` or `stop` waits for it:
    never do two threads compute. A stepper that is forgotten ends its thread.
    """

    def __init__(self, function: Paused[Report]) -> None:
        self._meeting = _Meeting(function)
        self._thread = threading.Thread(target=self._meeting.work, name="stepper", daemon=True)
        self._thread.start()
        # At the interpreter's end there is nothing to be tidy for: a daemon thread just stops.
        weakref.finalize(self, self._meeting.end).atexit = False

    def advance(self) -> Report | None:
        """Runs it to its next pause and gives the report, or to its end and gives None.

        Raises what the function raised.
        """
        report = self._meeting.advance()
        if report is None:
            self._thread.join()
            error, self._meeting.error = self._meeting.error, None
            if error is not None:
                raise error
        return report

    def stop(self) -> None:
        """Ends the function at its pause, by GenerationCancelled, and the thread with it."""
        self._meeting.end()
        self._thread.join()


class _Meeting(Generic[Report]):
    """Where the two threads meet: at most one of them runs, the other one waits.

    It knows nothing of the `Stepper`, which else could never be forgotten.
    """

    def __init__(self, function: Paused[Report]) -> None:
        self._function: Paused[Report] | None = function
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._ending = False
        self._report: Report | None = None
        self.error: Exception | None = None

    def work(self) -> None:
        """The thread's whole life."""
        function, self._function = self._function, None
        self._go.acquire()
        try:
            if function is not None and not self._ending:
                function(self._pause)
        # Whatever it is, it belongs to whoever asked for the work.
        except Exception as error:
            if not self._ending:
                self.error = error
        finally:
            self._back.release()

    def _pause(self, report: Report) -> None:
        if not self._ending:
            self._report = report
            self._back.release()
            self._go.acquire()
        if self._ending:
            raise GenerationCancelled("The job was cancelled.")

    def advance(self) -> Report | None:
        self._report = None
        self._go.release()
        try:
            self._back.acquire()
        except BaseException:  # Ctrl+C: the function must not go on by itself
            self.end()
            raise
        report, self._report = self._report, None
        return report

    def end(self) -> None:
        """Makes the function end at its pause, without waiting for it."""
        self._ending = True
        self._go.release()
