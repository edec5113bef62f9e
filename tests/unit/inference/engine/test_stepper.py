"""A function that is advanced from pause to pause, in a thread that never runs by itself."""

import gc
import threading
from collections.abc import Callable

import pytest

from inference.engine.stepper import Stepper
from inference.errors import GenerationCancelled

Pause = Callable[[int], None]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "stepper"]


def test_it_runs_from_pause_to_pause_and_only_when_asked() -> None:
    done: list[str] = []

    def work(pause: Pause) -> None:
        for number in (1, 2):
            done.append(f"work {number}")
            pause(number)
        done.append("end")

    stepper = Stepper(work)
    assert done == []
    assert stepper.advance() == 1
    assert done == ["work 1"]
    assert [stepper.advance(), stepper.advance()] == [2, None]
    assert done == ["work 1", "work 2", "end"]
    assert threads() == []


def test_what_is_raised_within_is_raised_by_the_advance() -> None:
    def work(pause: Pause) -> None:
        pause(1)
        raise ZeroDivisionError

    stepper = Stepper(work)
    assert stepper.advance() == 1
    with pytest.raises(ZeroDivisionError):
        stepper.advance()
    assert threads() == []


@pytest.mark.parametrize("advances", [0, 1, 3])
def test_stopping_ends_the_function_and_its_thread(advances: int) -> None:
    ended: list[str] = []

    def work(pause: Pause) -> None:
        try:
            pause(1)
            pause(2)
        except GenerationCancelled:
            ended.append("cancelled")
            raise
        finally:
            ended.append("tidied")

    stepper = Stepper(work)
    for _ in range(advances):
        stepper.advance()
    stepper.stop()
    assert ended == {0: [], 1: ["cancelled", "tidied"], 3: ["tidied"]}[advances]
    assert threads() == []


def test_a_function_that_swallows_it_is_told_again() -> None:
    told: list[int] = []

    def work(pause: Pause) -> None:
        for number in range(3):
            try:
                pause(number)
            except GenerationCancelled:
                told.append(number)

    stepper = Stepper(work)
    stepper.advance()
    stepper.stop()
    assert told == [0, 1, 2]
    assert threads() == []


def test_one_that_is_forgotten_ends_its_thread() -> None:
    ended = threading.Event()

    def work(pause: Pause) -> None:
        try:
            pause(1)
        finally:
            ended.set()

    stepper = Stepper(work)
    stepper.advance()
    (thread,) = threads()
    del stepper
    gc.collect()
    assert ended.wait(5)
    thread.join(5)
    assert not thread.is_alive()


def test_two_threads_never_compute_at_once() -> None:
    running: set[str] = set()

    def compute(who: str) -> None:
        assert not running
        running.add(who)
        sum(range(20_000))  # long enough for a switch of threads
        running.remove(who)

    def work(pause: Pause) -> None:
        for number in range(200):
            compute("function")
            pause(number)

    stepper = Stepper(work)
    for number in range(200):
        compute("caller")
        assert stepper.advance() == number
    assert stepper.advance() is None
