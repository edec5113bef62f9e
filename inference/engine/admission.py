"""The pictures that wait for a slot, and which one gets the next."""

from bisect import insort
from collections import Counter
from collections.abc import Sequence

from inference.engine.batch import Batches
from inference.engine.costs import Pass, Size
from inference.engine.job import Job
from inference.engine.ladder import Ladder
from inference.engine.passes import Passes
from inference.engine.settings import EngineSettings

PATIENCE = 32
"""Ticks in which others may pass a job that waits for memory."""

FEWEST = 2
"""Pictures of one size that may be in flight even if one fills a forward pass: a second one lets
a short job pass a long one."""

Flight = Sequence[tuple[Size, int]]
"""What is in flight: of each picture its size and its rows."""


class Admission:
    """A line for each size, in the order that jobs came.

    - Of one size as many pictures are in flight as fill a forward pass, but at least FEWEST. More
      would not be done sooner.
    - A free slot goes to the size with the fewest pictures in flight, else to the job that came
      first; so many jobs of one size do not keep the others out.
    - It goes to nobody whose passes, with what is in flight, are forecast not to fit the memory.
      Those behind may pass such a job, in PATIENCE ticks at most; then nobody is admitted before
      it. When nothing is in flight it is admitted whatever the forecast says.
    """

    def __init__(
        self, settings: EngineSettings, batches: Batches, ladder: Ladder, passes: Passes
    ) -> None:
        self._settings = settings
        self._batches = batches
        self._ladder = ladder
        self._passes = passes
        self._lines: dict[Size, list[Job]] = {}
        self._turned_away: set[Job] = set()

    def add(self, job: Job) -> None:
        """Puts it where it belongs by the time it came; one that waits already stays there."""
        line = self._lines.setdefault(job.size, [])
        if job not in line:
            insort(line, job, key=lambda other: other.number)

    def tick(self) -> None:
        """Begins a tick: forgets who has ended, and notes who was passed in the last one."""
        for size, line in list(self._lines.items()):
            line[:] = [job for job in line if job.wants_slot]
            if not line:
                del self._lines[size]
        for job in self._turned_away:
            job.passed += 1
        self._turned_away.clear()

    def take(self, flight: Flight) -> tuple[Job, int] | None:
        """The picture that is admitted next, a job and an index; None where none is."""
        if len(flight) >= self._settings.slots:
            return None
        pictures = Counter(size for size, _ in flight)
        for job in self._in_turn(pictures):
            rows = sum(rows for size, rows in flight if size == job.size)
            if not self._has_room(job, pictures[job.size], rows):
                continue
            if flight and not self._fits(job, rows):
                self._turned_away.add(job)
                continue
            job.passed = 0
            self._turned_away.discard(job)
            job.opened += 1
            return job, job.opened - 1
        return None

    def _in_turn(self, pictures: Counter[Size]) -> list[Job]:
        firsts = (
            next((job for job in line if job.wants_slot), None) for line in self._lines.values()
        )
        heads = [job for job in firsts if job is not None]
        overdue = [job for job in heads if job.passed >= PATIENCE]
        if overdue:
            return [min(overdue, key=lambda job: job.number)]
        return sorted(heads, key=lambda job: (pictures[job.size], job.number))

    def _has_room(self, job: Job, pictures: int, rows: int) -> bool:
        """Whether another picture of its size may be in flight."""
        most = self._batches.most(job.size, job.each)
        return pictures < FEWEST or rows + job.each <= most

    def _fits(self, job: Job, rows: int) -> bool:
        """Whether the memory should suffice for the passes that it would take part in."""
        together = self._batches.rows(job.size, job.each)
        if not self._settings.strict:
            together = min(together, self._settings.padded(rows + job.each))
        way = self._ladder.way(job.size)
        uses = [Pass.DECODE, *([Pass.ENCODE] if job.encodes else [])]
        return self._passes.fit(
            (job.use, together, job.size),
            *((use, 1, way.worked_on(use, job.size)) for use in uses),
        )
