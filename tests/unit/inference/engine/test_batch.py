"""Which slots share a forward pass, with pictures that need no model."""

import random
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from inference.engine.batch import Batch, Batches
from inference.engine.costs import Pass, Size
from inference.engine.ladder import Ladder
from inference.engine.settings import MOST_ROWS, EngineSettings
from inference.engine.widths import Widths
from inference.families.cache import Cache

SMALL, LARGE = (4, 8, 8), (4, 8, 12)
SD15 = 860_000_000


class Unsavable:
    """A model that has nothing to save."""

    can_slice = False

    def smaller_tile(self, tile: int | None, longest: int) -> int | None:
        return None

    def offload(self) -> bool:
        return False


@dataclass(eq=False)
class Picture:
    """What a slot is to whoever plans batches."""

    name: str
    each: int
    size: Size = SMALL
    steps: int = 10
    done: int = 0
    steered: bool = False

    @property
    def rows(self) -> tuple[None, ...]:
        return (None,) * self.each

    @property
    def kind(self) -> Size:
        return self.size

    @property
    def width_kind(self) -> tuple[Any, ...] | None:
        return None if self.steered else (self.each, self.size)

    @property
    def job(self) -> Any:
        return SimpleNamespace(size=self.size)

    @property
    def runs(self) -> bool:
        return self.done < self.steps


def batches(
    settings: EngineSettings, ladder: Ladder | None = None, parameters: int = SD15
) -> Batches:
    return Batches(settings, ladder or Ladder(Unsavable()), parameters, Widths())  # type: ignore[arg-type]


def tick(pictures: list[Picture], made: Batches) -> list[tuple[str, int]]:
    """The batches of one tick, all of which succeed: names and rows of a forward pass."""
    seen = []
    for batch in made.tick(pictures):  # type: ignore[arg-type]
        advance(batch)
        seen.append(("".join(slot.name for slot in batch.slots), batch.rows))  # type: ignore[attr-defined]
    return seen


def advance(batch: Batch) -> None:
    for slot in batch.slots:
        slot.done += 1


def mixed() -> list[Picture]:
    return [
        Picture("a", 2),
        Picture("b", 1),
        Picture("c", 2),
        Picture("d", 2),
        Picture("e", 2, LARGE),
    ]


def strict(rows: int) -> EngineSettings:
    """With so many rows in every forward pass."""
    return EngineSettings(strict=True, rows=rows, saturation=float("inf"))


def test_strict_batches_have_one_shape_for_each_kind() -> None:
    # The kinds of b and e have one batch, and go again after the second one of a, c and d.
    expected = [("ac", 4), ("b", 4), ("e", 4), ("da", 4), ("b", 4), ("e", 4)]
    assert tick(mixed(), batches(strict(4))) == expected


def test_the_smallest_strict_batch_is_one_picture() -> None:
    assert tick(mixed()[:2], batches(EngineSettings())) == [("a", 2), ("b", 1)]


def test_fast_batches_are_filled_with_whatever_fits() -> None:
    settings = EngineSettings(strict=False, rows=4)
    assert tick(mixed(), batches(settings)) == [("ab", 3), ("e", 2), ("cd", 4), ("e", 2)]


def test_without_turns_the_one_that_came_first_goes_on_with_others_of_its_kind() -> None:
    settings = EngineSettings(strict=False, rows=4, turns=False)
    pictures = [Picture("e", 2, LARGE, steps=2), *mixed()[:4]]
    made = batches(settings)
    assert [tick(pictures, made) for _ in range(3)] == [[("e", 2)], [("e", 2)], [("ab", 3)]]
    pictures[1].done = pictures[1].steps
    assert tick(pictures, made) == [("bc", 3)]
    for picture in pictures:
        picture.done = picture.steps
    assert tick(pictures, made) == []


def test_after_memory_ran_out_batches_of_that_size_are_smaller() -> None:
    ladder = Ladder(Unsavable())  # type: ignore[arg-type]
    fast = batches(EngineSettings(strict=False, rows=8), ladder)
    assert tick(mixed()[:4], fast) == [("abcd", 7)]
    assert ladder.descend(Pass.DENOISE, SMALL, 7)
    assert tick(mixed()[:4], fast) == [("ab", 3), ("c", 2), ("d", 2)]
    assert ladder.descend(Pass.DENOISE, SMALL, 3)
    assert tick(mixed()[:2], fast) == [("a", 1), ("b", 1)]  # a in two passes
    assert fast.rows(LARGE, 2) == 8
    padded = batches(strict(6), ladder)
    assert padded.rows(SMALL, 2) == padded.rows(SMALL, 1) == 1
    assert padded.rows(LARGE, 2) == 6


def test_a_strict_batch_that_shrinks_still_holds_whole_pictures() -> None:
    ladder = Ladder(Unsavable())  # type: ignore[arg-type]
    ladder.descend(Pass.DENOISE, SMALL, 6)
    assert batches(strict(6), ladder).rows(SMALL, 2) == 2
    assert batches(strict(6), ladder).rows(SMALL, 1) == 3


@pytest.mark.parametrize("is_strict", [True, False])
def test_nobody_waits_longer_than_a_turn_of_every_other_kind(is_strict: bool) -> None:
    """Random traffic: every picture advances in every tick, the first of the kinds with the fewest
    as often as the device changes hands."""
    numbers = random.Random(3)
    for _ in range(200):
        rows = numbers.choice([2, 4, 8])
        settings = strict(rows) if is_strict else EngineSettings(strict=False, rows=rows)
        pictures = [
            Picture(
                f"{number} ",
                numbers.choice([1, 2]),
                numbers.choice([SMALL, LARGE, (4, 8, 16)]),
                steps=numbers.randint(1, 6),
            )
            for number in range(numbers.randint(1, 24))
        ]
        begun = {picture: picture.done for picture in pictures}
        others: dict[Picture, list[object]] = {picture: [] for picture in pictures}
        for batch in batches(settings).tick(pictures):  # type: ignore[arg-type]
            key = (batch.size, len(batch.slots[0].rows) if is_strict else 0)
            advance(batch)
            for picture in pictures:
                if picture in batch.slots:
                    assert len(set(others[picture])) == len(others[picture])
                    others[picture].clear()
                elif key != (picture.size, picture.each if is_strict else 0):
                    # Its own kind's other batches come between, each with one turn of the others.
                    others[picture].append(key)
                else:
                    others[picture].clear()
        assert all(picture.done > begun[picture] for picture in pictures)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_row_without_its_partner_is_no_batch(rows: int) -> None:
    with pytest.raises(ValueError, match="even"):
        EngineSettings(rows=rows)


def test_a_strict_pass_on_a_gpu_has_as_many_rows_as_keep_it_busy() -> None:
    settings = EngineSettings.for_device(torch.device("cuda"))
    rows = {side: settings.rows_for((side // 8) ** 2, SD15, 2) for side in (1024, 512, 256, 64)}
    assert rows == {1024: 2, 512: 2, 256: 8, 64: MOST_ROWS}
    assert settings.rows_for(64 * 64, SD15, 1) == 2
    assert settings.rows_for(128 * 128, 2_567_000_000, 1) == 1  # SDXL at 1024²
    assert settings.rows_for(8 * 8, 100_000, 2) == MOST_ROWS


def test_a_strict_pass_on_a_cpu_is_one_pictures_or_wider_where_that_changes_nothing() -> None:
    settings = EngineSettings.for_device(torch.device("cpu"))
    for places in (64, 4096, 16384):
        assert settings.rows_for(places, SD15, 2) == 2
        assert settings.rows_for(places, SD15, 1) == 1
    pictures = [Picture(name, 2) for name in "abcdef"]
    pictures[1].steered = True
    ladder = Ladder(Unsavable())  # type: ignore[arg-type]
    made = batches(settings, ladder, parameters=11_000_000)
    first = next(made.tick(pictures))  # type: ignore[arg-type]
    assert ("".join(slot.name for slot in first.slots), first.rows) == ("acde", 2)  # type: ignore[attr-defined]
    assert first.wide == (2, SMALL)
    assert made.most(SMALL, 2) == 8
    assert made.most((4, 64, 64), 2) == 2, "more work than a wide pass is worth"
    first = next(made.tick(pictures[1:]))  # type: ignore[arg-type]
    assert ("".join(slot.name for slot in first.slots), first.wide) == ("b", None)  # type: ignore[attr-defined]
    ladder.descend(Pass.DENOISE, SMALL, 2)
    assert tick(pictures, made) == [("a", 1)], "memory was short: no wide pass is tried"
    assert made.most(SMALL, 2) == 1


def test_a_cache_forgets_what_was_used_longest_ago() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    cache: Cache[str, str] = Cache(2)
    for key in "abacab":
        assert cache.get(key, lambda key=key: make(key)) == key.upper()  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
    assert cache.find("a") == "A"
    assert cache.find("c") is None
