"""Which slots share a forward pass, and whose turn it is."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from inference.engine.costs import Pass, Size
from inference.engine.ladder import Ladder
from inference.engine.settings import EngineSettings
from inference.engine.slot import Slot
from inference.engine.widths import Kind, Widths


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Slots of one kind and size that advance together.

    rows: of a forward pass. Where the slots have more than that, several passes share them.
    padded: whether a pass with fewer is filled up to so many, as it always is in strict mode.
    wide: what one pass for all of the slots is known by, where there may be one; see `Widths`.
    """

    slots: tuple[Slot, ...]
    rows: int
    padded: bool
    wide: Kind | None = None

    @property
    def use(self) -> Pass:
        """What its forward passes are."""
        return self.slots[0].job.use

    @property
    def size(self) -> Size:
        """Of all of its slots."""
        return self.slots[0].job.size


class Batches:
    """Makes the batches of an engine.

    parameters: of the denoiser. widths: what is known of wide passes, for strict mode.
    """

    def __init__(
        self, settings: EngineSettings, ladder: Ladder, parameters: int, widths: Widths
    ) -> None:
        self._settings = settings
        self._ladder = ladder
        self._parameters = parameters
        self._widths = widths

    def rows(self, size: Size, each: int) -> int:
        """Rows of a forward pass for pictures of this size with `each` rows.

        In strict mode always so many, whatever is in flight; else at most.
        """
        rows = self._settings.rows_for(size[1] * size[2], self._parameters, each)
        most = self._ladder.way(size).rows
        if most is None or most >= rows:
            return rows
        if self._settings.strict and most > each:
            return most // each * each
        return most

    def most(self, size: Size, each: int) -> int:
        """Rows that can share a pass: as `rows`, or as wide as strict mode may become."""
        return max(self.rows(size, each), self._widest(size))

    def tick(self, slots: Sequence[Slot]) -> Iterator[Batch]:
        """Batches until every slot that runs has advanced; without turns a single one.

        slots: in the order in which they were opened. Without turns the first of them advances,
        together with others of its kind; so each is the first in time.

        With turns the kinds alternate, a batch each: where one has several batches, the others
        advance again after each of them. So between two steps of a picture every other kind has
        the device once, however many pictures it has. Within a kind those that advanced least
        go first, else those that were opened first.

        In strict mode slots with and without an unconditional row are of different kinds: then
        the shape of a slot's forward pass follows from its request alone.
        """
        before = {slot: slot.done for slot in slots}
        kinds: dict[tuple[Hashable, ...], list[Slot]] = {}
        for slot in slots:
            each = len(slot.rows) if self._settings.strict else 0
            kinds.setdefault((each, *slot.kind), []).append(slot)
        if not self._settings.turns:
            yield from self._oldest(kinds.values())
            return
        while any(slot.done == before[slot] for slot in slots if slot.runs):
            for kind in kinds.values():
                running = [slot for slot in kind if slot.runs]
                if running:
                    running.sort(key=lambda slot: slot.done - before[slot])
                    yield self._fill(running)

    def _oldest(self, kinds: Iterable[list[Slot]]) -> Iterator[Batch]:
        """The batch of the first slot that runs; kinds come in the order of their first slots."""
        for kind in kinds:
            running = [slot for slot in kind if slot.runs]
            if running:
                yield self._fill(running)
                return

    def _fill(self, slots: list[Slot]) -> Batch:
        """The first of them, as many as go together."""
        first = slots[0]
        most = self.rows(first.job.size, len(first.rows))
        if self._settings.strict:
            return self._wide(slots, most) or Batch(
                slots=tuple(slots[: max(1, most // len(first.rows))]), rows=most, padded=True
            )
        chosen, rows = [first], len(first.rows)
        for slot in slots[1:]:
            if rows + len(slot.rows) > most:
                break
            chosen.append(slot)
            rows += len(slot.rows)
        rows = min(self._settings.padded(rows), most)
        return Batch(slots=tuple(chosen), rows=rows, padded=bool(self._settings.shapes))

    def _wide(self, slots: list[Slot], rows: int) -> Batch | None:
        """Those that can share one wide pass with the first, whose usual pass has so many rows."""
        first = slots[0]
        kind = first.width_kind
        widest = self._widest(first.job.size)
        if kind is None or widest <= rows:
            return None
        most = self._widths.most(kind, widest) // len(first.rows)
        like = [slot for slot in slots if slot.width_kind == kind][:most]
        if len(like) * len(first.rows) <= rows:
            return None
        return Batch(slots=tuple(like), rows=rows, padded=True, wide=kind)

    def _widest(self, size: Size) -> int:
        """Rows of a wide pass; 0 where pictures of this size were ever short of memory for one."""
        way = self._ladder.way(size)
        if way.rows is not None or way.sliced:
            return 0
        return self._settings.wide_rows(size[1] * size[2], self._parameters)
