"""Pictures that are written beside the engine's loop."""

import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.engine.files import Files
from inference.result import GeneratedImage
from inference.tasks.files import finished


def test_the_loop_is_not_held_up_by_a_long_write() -> None:
    """New requests and cancellations come in between two steps, so none may last for long."""
    files, go = Files(ahead=1), threading.Event()

    def picture(index: int, pixels: Any) -> object:
        assert go.wait(10)
        return finished(Image.fromarray(pixels), index)

    task = SimpleNamespace(picture=picture)
    slot: Any = SimpleNamespace(index=3, live=True, job=SimpleNamespace(task=task, pictures={}))
    files.write(slot, np.zeros((4, 5, 3), np.uint8))
    files.collect(idle=True)
    assert not slot.job.pictures
    go.set()
    while not slot.job.pictures:
        files.collect(idle=True)
    assert slot.job.pictures[3].seed == 3


class _DoneWhenAskedAgain(Future[GeneratedImage]):
    """A write that ends right after somebody saw that it had not."""

    asked = False

    def done(self) -> bool:
        self.asked, before = True, self.asked
        return before


def test_a_picture_that_is_written_meanwhile_is_kept() -> None:
    files, picture = Files(ahead=1), _DoneWhenAskedAgain()
    picture.set_result(finished(Image.new("RGB", (5, 4)), 3))
    slot: Any = SimpleNamespace(index=0, live=True, job=SimpleNamespace(pictures={}))
    files._writing.append((slot, picture))
    for _ in range(2):
        files.collect(idle=False)
    assert slot.job.pictures == {0: picture.result()}
    assert not files._writing


@pytest.mark.parametrize("live", [True, False])
def test_what_strikes_the_writing_fails_the_job_if_it_is_still_wanted(live: bool) -> None:
    files, failed = Files(ahead=1), list[Exception]()

    def picture(index: int, pixels: Any) -> object:
        raise OSError("no room")

    job = SimpleNamespace(task=SimpleNamespace(picture=picture), fail=failed.append)
    slot: Any = SimpleNamespace(index=0, live=live, job=job)
    files.write(slot, np.zeros((4, 5, 3), np.uint8))
    while files._writing:
        files.collect(idle=True)
    assert len(failed) == live
