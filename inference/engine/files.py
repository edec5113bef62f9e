"""Pictures read from and written to files, beside the model's work.

Both take as long as several steps of a model on a GPU, and need no interpreter lock while they do.
Where a model has a painter, a drawing is painted when it is read.
"""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from inference.engine.job import Job
from inference.engine.slot import Slot
from inference.families.latents import Pixels
from inference.result import GeneratedImage

WORKERS = 2
"""Threads. A GPU that makes 30 pictures of 512² a second keeps them busy."""

PATIENCE = 0.05
"""Seconds of one `collect` that only waits for them."""


class Files:
    """Does so in threads of its own.

    ahead: sources that are read before they are needed, at most.
    """

    def __init__(self, *, ahead: int) -> None:
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="files")
        self._reading: dict[Job, Future[Pixels]] = {}
        self._writing: list[tuple[Slot, Future[GeneratedImage]]] = []

    def expect(self, job: Job) -> None:
        """Begins to read a job's source, if it has one and not too many were begun."""
        if job.paints_over and len(self._reading) < self._ahead:
            self._reading[job] = self._pool.submit(_read(job))

    def source(self, job: Job) -> Pixels:
        """The source at the work size. Raises PictureError, and what a painter raises."""
        future = self._reading.pop(job, None)
        return _read(job)() if future is None else future.result()

    def forget(self, job: Job) -> None:
        """Its source is not needed, or no longer."""
        future = self._reading.pop(job, None)
        if future is not None:
            future.cancel()

    def write(self, slot: Slot, pixels: Pixels) -> None:
        """Begins to write a finished picture."""
        assert slot.job.task is not None
        picture = self._pool.submit(slot.job.task.picture, slot.index, pixels)
        self._writing.append((slot, picture))

    def collect(self, *, idle: bool) -> None:
        """Gives jobs the pictures that are written, and forgets sources of those that are over.

        idle: whether there is time to wait for one.
        """
        for job in [job for job in self._reading if job.over]:
            self.forget(job)
        if idle and self._writing:
            # Not for ever: new requests and cancellations come in between two steps.
            writing = [picture for _, picture in self._writing]
            wait(writing, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        begun, self._writing = self._writing, []
        for slot, picture in begun:
            if not picture.done():  # asked once, as it may come about at any moment
                self._writing.append((slot, picture))
            elif slot.live:
                _keep(slot, picture)


def _read(job: Job) -> Callable[[], Pixels]:
    assert job.task is not None
    task = job.task

    def read() -> Pixels:
        if task.control is not None:
            task.padded_control()  # which it keeps until it is asked for
        return task.padded_source()

    return read


def _keep(slot: Slot, picture: Future[GeneratedImage]) -> None:
    error = picture.exception()
    if error is None:
        slot.job.pictures[slot.index] = picture.result()
    elif isinstance(error, Exception):
        slot.job.fail(error)
    else:
        raise error
