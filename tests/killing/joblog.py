"""The job log as it lies on the disk, whoever is dead."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """As much of a job as tells whether it was lost."""

    id: int
    interaction_id: int | None
    kind: str
    status: str
    delivery: str
    error: str | None


class JobLog:
    """Reads the file beside the bot that writes it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def rows(self, *, after: int = 0) -> list[Row]:
        """Jobs with larger ids than `after`, oldest first."""
        query = (
            "SELECT id, interaction_id, kind, status, delivery, error FROM jobs "
            "WHERE id > ? ORDER BY id"
        )
        with self._open() as connection:
            return [
                Row(
                    id=id_,
                    interaction_id=interaction,
                    kind=kind,
                    status=status,
                    delivery=delivery,
                    error=error,
                )
                for id_, interaction, kind, status, delivery, error in connection.execute(
                    query, (after,)
                )
            ]

    def last(self) -> int:
        """The largest id so far, 0 where there is no job."""
        return max((row.id for row in self.rows()), default=0)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=10)) as connection:
            yield connection
