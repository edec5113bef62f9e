"""How far the engine may be ahead of its device."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch


class Mark(Protocol):
    """A point in what a device has to do."""

    def synchronize(self) -> None:
        """Waits until the device is there."""


class Pace:
    """Lets the device always have the next pass at hand, and no more than that.

    Passes on a GPU are only put in its queue, so without this a picture's steps would all be
    queued at once, and whoever arrives, or cancels, would wait behind them. Waiting for each pass
    instead would leave the GPU idle between two.

    mark: puts a mark in the device's queue; None where a pass is done when it returns.
    """

    def __init__(self, mark: Callable[[], Mark] | None) -> None:
        self._mark = mark
        self._marks: deque[Mark] = deque()

    @classmethod
    def of(cls, device: torch.device) -> "Pace":
        """For this device."""
        return cls(partial(_record, device) if device.type == "cuda" else None)

    def passed(self) -> None:
        """To be called after each pass: waits for the one before it."""
        if self._mark is None:
            return
        self._marks.append(self._mark())
        if len(self._marks) > 1:
            self._marks.popleft().synchronize()


def _record(device: torch.device) -> Mark:
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event
