"""Whose turn it is, with jobs that need no model and a memory of any size."""

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from inference.engine.admission import FEWEST, PATIENCE, Admission
from inference.engine.batch import Batches
from inference.engine.costs import Pass, Size
from inference.engine.job import Job
from inference.engine.ladder import Ladder
from inference.engine.passes import MARGIN, Passes
from inference.engine.settings import EngineSettings
from inference.engine.widths import Widths
from inference.request import GenerationRequest

SMALL, MIDDLE, LARGE = (4, 64, 64), (4, 64, 96), (4, 256, 256)
PLACE = 2**14
"""Bytes for each row and latent place."""


class Known:
    """Costs that are known from the start."""

    def forecast(self, use: Pass, rows: int, size: Size) -> int:
        return rows * size[1] * size[2] * PLACE


class House:
    """An engine that is nothing but its admission: pictures take a slot for some ticks.

    free: memory, in rows of SMALL pictures.
    """

    def __init__(self, settings: EngineSettings, free: float = 1e9) -> None:
        nothing: Any = SimpleNamespace(can_slice=False)
        memory: Any = SimpleNamespace(
            kills=False, free=lambda: int(free * 64 * 64 * PLACE / MARGIN) + 1
        )
        known: Any = Known()
        ladder = Ladder(nothing)
        self.admission = Admission(
            settings,
            Batches(settings, ladder, 10**9, Widths()),
            ladder,
            Passes(memory, known),
        )
        self.flight: list[list[Any]] = []
        """Of each picture its job, its index and the ticks that it still takes."""
        self.now = 0
        self.began: dict[int, int] = {}
        """When the first picture of each job was admitted."""
        self.order: list[tuple[int, int]] = []
        self._numbers = iter(range(10**6))

    def arrive(self, size: Size, *, count: int = 1, guidance: float = 5.0, ticks: int = 4) -> int:
        request = GenerationRequest(
            prompt="", strength=1, count=count, guidance=guidance, steps=ticks
        )
        number = next(self._numbers)
        job = Job(
            id=number,
            number=number,
            request=request,
            on_progress=lambda progress: None,
            submitted=0.0,
            size=size,
        )
        self.admission.add(job)
        return number

    def tick(self) -> None:
        self.now += 1
        self.admission.tick()
        while (
            taken := self.admission.take([(j.size, j.each) for j, _, _ in self.flight])
        ) is not None:
            job, index = taken
            self.began.setdefault(job.number, self.now)
            self.order.append((job.number, index))
            self.flight.append([job, index, job.request.steps])
        for picture in self.flight:
            picture[2] -= 1
        self.flight = [picture for picture in self.flight if picture[2]]

    def sizes(self) -> Counter[Size]:
        return Counter(job.size for job, _, _ in self.flight)


FAST = EngineSettings(strict=False, rows=8, slots=12)


def test_a_size_takes_as_many_slots_as_fill_a_forward_pass() -> None:
    house = House(FAST)
    for _ in range(10):
        house.arrive(SMALL)
        house.arrive(MIDDLE, guidance=1.0)
    house.tick()
    assert house.sizes() == {SMALL: 4, MIDDLE: 8}


def test_one_picture_that_fills_it_has_another_one_beside_it() -> None:
    house = House(EngineSettings(slots=32))
    for _ in range(5):
        house.arrive(SMALL)
    house.tick()
    assert house.sizes() == {SMALL: FEWEST}


def test_pictures_of_a_size_come_in_the_order_of_their_jobs() -> None:
    house = House(EngineSettings(slots=3))
    first, second, third = house.arrive(SMALL, count=3), house.arrive(SMALL), house.arrive(SMALL)
    while len(house.order) < 5:
        house.tick()
    assert house.order == [(first, 0), (first, 1), (first, 2), (second, 0), (third, 0)]


def test_many_of_one_size_do_not_keep_another_out() -> None:
    house = House(EngineSettings(strict=False, rows=8, slots=4))
    for number in range(40):
        house.arrive(SMALL, ticks=3 + number % 4)
    house.tick()
    lone = house.arrive(MIDDLE)
    for _ in range(5):
        house.tick()
    assert lone in house.began
    assert len(house.began) < 12


def test_the_sizes_share_the_slots() -> None:
    house = House(EngineSettings(strict=False, rows=8, slots=6))
    shares: Counter[Size] = Counter()
    for _ in range(100):
        for _ in range(5):
            house.arrive(SMALL)
        house.arrive(MIDDLE)
        house.arrive(LARGE)
        house.tick()
        shares += house.sizes()
    assert max(shares.values()) < 1.3 * min(shares.values())


def test_as_many_are_in_flight_as_fit_the_memory() -> None:
    house = House(FAST, free=5)
    for _ in range(6):
        house.arrive(SMALL)
    house.tick()
    assert house.sizes() == {SMALL: 2}  # four rows of five


def test_alone_a_picture_is_admitted_whatever_the_forecast_says() -> None:
    house = House(FAST, free=1)
    house.arrive(LARGE)
    house.tick()
    assert house.sizes() == {LARGE: 1}


@pytest.mark.parametrize("strict", [True, False])
def test_who_waits_for_memory_neither_blocks_the_others_nor_is_passed_for_ever(
    strict: bool,
) -> None:
    """Random traffic without end of pictures that fit, and now and then one that does not."""
    numbers = random.Random(1)
    house = House(EngineSettings(strict=strict, rows=8, slots=6), free=16)
    longest, large = 9, dict[int, int]()
    for _ in range(1500):
        for _ in range(numbers.randint(0, 2)):
            house.arrive(numbers.choice([SMALL, MIDDLE]), ticks=numbers.randint(1, longest))
        if numbers.random() < 0.01:
            large[house.arrive(LARGE, count=numbers.choice([1, 2]), ticks=longest)] = house.now
        house.tick()
    waited = {
        number: house.began[number] - since
        for number, since in large.items()
        if number in house.began
    }
    for number, since in large.items():
        # Before it come the others of its size, each as long.
        ahead = sum(
            2 for other in large if other < number and house.began.get(other, 10**9) > since
        )
        bound = (PATIENCE + 2 * longest) * (1 + ahead) + longest
        assert waited.get(number, house.now - since) <= bound
    assert max(waited.values()) > PATIENCE  # so others did go on meanwhile
    assert len(house.began) > 300
