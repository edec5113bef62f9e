"""A pipeline's progress bar, in whichever way it uses it, tells of its steps."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from inference.errors import GenerationCancelled
from inference.families.pipeline_watch import Watch

Preview = Callable[[], bytes] | None


class Steps:
    """What `step` was called with."""

    def __init__(self, cancel_at: int = -1) -> None:
        self.seen: list[tuple[int, int]] = []
        self.previews: list[bytes | None] = []
        self._cancel_at = cancel_at

    def __call__(self, done: int, total: int, preview: Preview = None, /) -> None:
        self.seen.append((done, total))
        self.previews.append(preview() if preview is not None else None)
        if done == self._cancel_at:
            raise GenerationCancelled


def draw(latents: Tensor) -> Preview:
    return lambda: b"%d" % int(latents)


def watched(steps: Steps, pipe: Any, work: Callable[[Any], None]) -> None:
    watch = Watch(steps, draw)
    with watch.over(pipe):
        work(pipe)
    watch.end()


def test_a_bar_that_is_counted_up() -> None:
    steps, pipe = Steps(), DiffusionPipeline()

    def work(pipe: Any) -> None:
        with pipe.progress_bar(total=3) as bar:
            bar.set_postfix(loss=1)
            bar.update()
            bar.update(2)

    watched(steps, pipe, work)
    assert steps.seen == [(1, 3), (3, 3)]


def test_a_bar_that_is_walked_along() -> None:
    steps, pipe = Steps(), DiffusionPipeline()
    watched(steps, pipe, lambda pipe: [None for _ in pipe.progress_bar(range(2))])
    assert steps.seen == [(1, 2), (2, 2)]


def test_no_bar_at_all_is_one_step() -> None:
    steps = Steps()
    watched(steps, DiffusionPipeline(), lambda pipe: None)
    assert steps.seen == [(1, 1)]


def test_afterwards_the_pipeline_has_its_own_bar_again() -> None:
    pipe = DiffusionPipeline()
    pipe.inner = DiffusionPipeline()
    with pytest.raises(GenerationCancelled):
        watched(Steps(cancel_at=1), pipe, lambda pipe: pipe.inner.progress_bar(total=5).update())
    assert "progress_bar" not in {*vars(pipe), *vars(pipe.inner)}


def test_latents_are_handed_out_in_the_new_manner_and_the_old() -> None:
    steps = Steps()
    watch = Watch(steps, draw)
    new = watch.callbacks({"callback_on_step_end": None, "callback": None, "callback_steps": None})
    assert new["callback_on_step_end"](None, 0, 10, {"latents": torch.tensor(4)}) == {}
    watch.advance(1)
    old = watch.callbacks({"callback": None, "callback_steps": None})
    assert old["callback_steps"] == 1
    old["callback"](0, 10, torch.tensor(7))
    watch.advance(1)
    watch.advance(1)  # nothing new
    assert steps.previews == [b"4", b"7", None]
    assert watch.callbacks({"prompt": None}) == {}
