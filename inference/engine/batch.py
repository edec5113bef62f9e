"""Which slots share a forward pass."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from inference.engine.settings import EngineSettings
from inference.engine.slot import Slot


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One forward pass.

    padded: rows it has in all; what `slots` do not fill repeats the first row.
    """

    slots: tuple[Slot, ...]
    padded: int

    @property
    def rows(self) -> int:
        """Rows that matter."""
        return sum(len(slot.rows) for slot in self.slots)


def plan(slots: Iterable[Slot], settings: EngineSettings) -> Iterator[Batch]:
    """Every slot once: grouped by what can share a forward pass, in the order they came.

    In strict mode slots with and without an unconditional row are kept apart, and each kind has
    one number of rows: then the shape of a slot's forward pass follows from its request alone.
    """
    groups: dict[tuple[Hashable, ...], list[Slot]] = {}
    for slot in slots:
        rows = len(slot.rows) if settings.strict else 0
        groups.setdefault((rows, *slot.kind), []).append(slot)
    for group in groups.values():
        yield from _strict(group, settings.rows) if settings.strict else _packed(group, settings)


def _strict(group: list[Slot], rows: int) -> Iterator[Batch]:
    together = rows // 2
    padded = together * len(group[0].rows)
    for start in range(0, len(group), together):
        yield Batch(slots=tuple(group[start : start + together]), padded=padded)


def _packed(group: list[Slot], settings: EngineSettings) -> Iterator[Batch]:
    batch: list[Slot] = []
    rows = 0
    for slot in group:
        if rows + len(slot.rows) > settings.rows:
            yield Batch(slots=tuple(batch), padded=rows)
            batch, rows = [], 0
        batch.append(slot)
        rows += len(slot.rows)
    yield Batch(slots=tuple(batch), padded=rows)
