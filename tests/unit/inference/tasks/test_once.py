"""Properties that are worked out once, by several threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

from inference.tasks.once import once


class Lesson:
    def __init__(self, waits_for: threading.Event | None = None) -> None:
        self.done = threading.Event()
        self.times = 0
        self._waits_for = waits_for

    @once
    def learned(self) -> object:
        self.times += 1
        assert self._waits_for is None or self._waits_for.wait(10)
        self.done.set()
        return object()


def test_it_is_worked_out_once_for_each() -> None:
    one, other = Lesson(), Lesson()
    assert one.times == 0
    assert one.learned is one.learned
    assert one.learned is not other.learned
    assert (one.times, other.times) == (1, 1)


def test_nobody_waits_for_another_s() -> None:
    quick = Lesson()
    slow = Lesson(waits_for=quick.done)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: slow.learned)
        second = pool.submit(lambda: quick.learned)
    assert first.result() is slow.learned
    assert second.result() is quick.learned


def test_whoever_asks_at_the_same_time_gets_the_same() -> None:
    go = threading.Event()
    lesson = Lesson(waits_for=go)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(lambda: lesson.learned) for _ in range(2)]
        go.set()
    assert asked[0].result() is asked[1].result() is lesson.learned
