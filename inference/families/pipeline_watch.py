"""Follows a running pipeline: its progress bar tells of every step, and is where it can be held."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from tqdm import tqdm

from inference.families.serial import Step

Draw = Callable[[Tensor], Callable[[], bytes] | None]
"""From a pipeline's latents to what makes a preview of them, where that is possible."""


class Watch:
    """Counts the steps of one picture.

    Every diffusers pipeline shows a progress bar, those too that know no callbacks; a pipeline
    that is a row of several shows several.
    """

    def __init__(self, step: Step, draw: Draw) -> None:
        self._step = step
        self._draw = draw
        self._latents: Tensor | None = None
        self._done = 0
        self._total = 0

    @contextmanager
    def over(self, pipe: Any) -> Iterator[None]:
        """Takes the place of the bars of a pipeline, and of those that it is made of."""
        from diffusers import DiffusionPipeline

        inner = [part for part in vars(pipe).values() if isinstance(part, DiffusionPipeline)]
        for one in (pipe, *inner):
            one.progress_bar = self._bar
        try:
            yield
        finally:
            for one in (pipe, *inner):
                del one.progress_bar

    def callbacks(self, takes: Any) -> dict[str, Any]:
        """Arguments by which the pipeline hands out its latents, in the new manner or the old."""
        if "callback_on_step_end" in takes:
            return {"callback_on_step_end": self._on_step_end}
        if "callback" in takes and "callback_steps" in takes:
            return {"callback": self._on_callback, "callback_steps": 1}
        return {}

    def _on_step_end(
        self, _pipe: Any, _index: int, _timestep: Any, tensors: dict[str, Any]
    ) -> dict[str, Any]:
        self._latents = tensors.get("latents")
        return {}  # nothing is to be changed

    def _on_callback(self, _index: int, _timestep: Any, latents: Any) -> None:
        self._latents = latents

    def _bar(self, iterable: Any = None, total: int | None = None, **_: Any) -> "_Bar":
        bar = _Bar(iterable, total, self.advance)
        self._total += int(bar.total or 0)
        return bar

    def end(self) -> None:
        """The pipeline is through; one that showed no bar did all in one step."""
        if self._done == 0:
            self.advance(1)

    def advance(self, steps: int) -> None:
        """That many steps more are done. Raises GenerationCancelled."""
        self._done += steps
        self._total = max(self._total, self._done)
        latents, self._latents = self._latents, None
        preview = None if latents is None else self._draw(latents)
        self._step(self._done, self._total, preview)


class _Bar(tqdm):
    """tqdm's bar, in whichever way a pipeline uses it, showing nothing."""

    def __init__(self, iterable: Any, total: int | None, advance: Callable[[int], None]) -> None:
        super().__init__(iterable, total=total, disable=True)
        # A disabled bar forgets it.
        self.total = len(iterable) if iterable is not None else total
        self._advance = advance

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            yield item
            self._advance(1)

    def update(self, n: float | None = 1) -> None:
        """A step, or several, are done."""
        self._advance(int(n or 0))
