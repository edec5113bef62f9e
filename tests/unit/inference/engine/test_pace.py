"""How far the engine runs ahead of a device."""

import torch

from inference.engine.pace import Pace


class Queue:
    """A device that does nothing until it is waited for."""

    def __init__(self) -> None:
        self.marks = 0
        self.reached: list[int] = []

    def mark(self) -> "Mark":
        self.marks += 1
        return Mark(self, self.marks)


class Mark:
    def __init__(self, queue: Queue, number: int) -> None:
        self.queue = queue
        self.number = number

    def synchronize(self) -> None:
        self.queue.reached.append(self.number)


def test_one_pass_is_always_waiting_behind_the_one_that_runs() -> None:
    queue = Queue()
    pace = Pace(queue.mark)
    ahead = []
    for _ in range(5):
        pace.passed()
        ahead.append(queue.marks - len(queue.reached))
    assert ahead == [1, 1, 1, 1, 1]
    assert queue.reached == [1, 2, 3, 4]


def test_on_a_cpu_there_is_nothing_to_wait_for() -> None:
    Pace.of(torch.device("cpu")).passed()
