"""What a mortal process is told by its environment, and the marks that it leaves."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LABEL, _LIFE, _FOLDER, _ENGINE = (
    "KILLING_POINT",
    "KILLING_LIFE",
    "KILLING_FOLDER",
    "KILLING_ENGINE",
)
STAYS = "stays"


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """label: the trial, or STAYS for a process that is to live.

    life: 0 for the first bot of a trial. folder: for the marks of this trial.
    engine: ``module:factory`` in place of the product's own, or "".
    """

    label: str
    life: int
    folder: Path
    engine: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """For the process that is started."""
        return {
            _LABEL: self.label,
            _LIFE: str(self.life),
            _FOLDER: str(self.folder),
            _ENGINE: self.engine,
        }

    @classmethod
    def read(cls) -> Self:
        """In the process that was started."""
        return cls(
            label=os.environ[_LABEL],
            life=int(os.environ[_LIFE]),
            folder=Path(os.environ[_FOLDER]),
            engine=os.environ[_ENGINE],
        )

    @property
    def go(self) -> Path:
        """Exists once jobs may be claimed."""
        return self.folder / "go"

    def mark(self, who: str) -> Path:
        """Holds the time of a death at its point, in seconds since the epoch."""
        return self.folder / f"{who}-died"

    @property
    def bot_mark(self) -> Path:
        """Of the bot in this life."""
        return self.mark(f"bot-{self.life}")

    @property
    def engine_mark(self) -> Path:
        """Of the first engine."""
        return self.mark("engine")


def die(mark: Path) -> None:
    """Ends this process as the kernel would: nothing is flushed, closed or told."""
    mark.write_text(repr(time.time()))
    os.kill(os.getpid(), signal.SIGKILL)


def times_of_death(folder: Path) -> list[float]:
    """When processes died at their points, seconds since the epoch, the first one first."""
    return sorted(float(mark.read_text()) for mark in folder.glob("*-died"))
