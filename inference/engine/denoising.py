"""One step of several pictures by one forward pass."""

from functools import partial

import torch
from torch import Tensor

from inference.engine.batch import Batch
from inference.engine.costs import Pass
from inference.engine.job import Forward
from inference.engine.ladder import Ladder
from inference.engine.largest import Largest
from inference.engine.pace import Pace
from inference.engine.passes import Passes, RanOut
from inference.engine.savings import Savings
from inference.engine.widths import Widths
from inference.executors.reports import is_device_lost
from inference.families.base import DiffusionModel, Line


class Denoiser:
    """Advances batches.

    widths: what is known of wide passes. strict: whether a picture's forward passes must all be
    of one shape, or give what those would.
    """

    def __init__(
        self,
        model: DiffusionModel,
        passes: Passes,
        savings: Savings,
        ladder: Ladder,
        largest: Largest,
        *,
        widths: Widths,
        strict: bool,
    ) -> None:
        self._model = model
        self._passes = passes
        self._savings = savings
        self._ladder = ladder
        self._largest = largest
        self._widths = widths
        self._strict = strict
        self._pace = Pace.of(model.device)
        self.calls = 0
        """Forward passes so far."""

    def advance(self, batch: Batch) -> None:
        """One step of each of its slots.

        Where memory runs out nothing advances: the next batch of this size is another one, and
        in strict mode its pictures start over with it. Where nothing is left to be tried the
        jobs have failed.
        """
        sliced = self._ladder.way(batch.size).sliced
        forward = Forward(rows=batch.rows, sliced=sliced)
        if self._strict and self._start_over(batch, forward):
            return
        try:
            predictions = self._predict(batch, sliced)
        except RanOut:
            self._descend(batch)
            return
        first = 0
        for slot in batch.slots:
            own = predictions[first : first + len(slot.rows)]
            first += len(slot.rows)
            try:
                self._passes.guard(partial(slot.advance, own))
            except RanOut:
                # Half a step may have been taken, so the picture cannot go on from here.
                slot.job.start_over()
                self._descend(batch)
                return
            # Else it is about this one picture: the others must not fall with it.
            except Exception as error:
                if is_device_lost(error):
                    raise
                slot.job.fail(error)
                continue
            slot.job.done += 1
            if self._strict:
                slot.job.forward = forward
        self._pace.passed()

    def _start_over(self, batch: Batch, forward: Forward) -> bool:
        """Whether pictures were begun by forward passes of another shape, and now start over."""
        begun = [slot.job for slot in batch.slots if slot.job.forward not in (None, forward)]
        for job in begun:
            job.start_over()
        return bool(begun)

    def _predict(self, batch: Batch, sliced: bool) -> Tensor:
        """Raises RanOut."""
        self._savings.slice_attention(sliced)
        lines = [
            (slot.model_input(), slot.timestep, row) for slot in batch.slots for row in slot.rows
        ]
        usual = partial(self._passes_of, batch, lines)
        if batch.wide is None:
            return usual()
        return self._widths.predict(
            batch.wide, len(lines), partial(self._pass, batch, lines), usual
        )

    def _passes_of(self, batch: Batch, lines: list[Line]) -> Tensor:
        """The usual passes, as many as that takes."""
        starts = range(0, len(lines), batch.rows)
        parts = [self._pass(batch, lines[start : start + batch.rows]) for start in starts]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _pass(self, batch: Batch, lines: list[Line]) -> Tensor:
        wanted = len(lines)
        if batch.padded:
            lines += lines[:1] * (batch.rows - wanted)
        work = partial(self._model.predict, lines)
        prediction = self._passes.run(batch.use, len(lines), batch.size, work)
        self.calls += 1
        return prediction[:wanted]

    def _descend(self, batch: Batch) -> None:
        if not self._ladder.descend(Pass.DENOISE, batch.size, batch.rows):
            for slot in batch.slots:
                slot.job.fail(self._largest.refusal(slot.job))
