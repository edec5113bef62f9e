from types import SimpleNamespace
from typing import Any

import pytest

from inference.engine.batch import plan
from inference.engine.settings import EngineSettings
from inference.families.cache import Cache


def slot(name: str, rows: int, shape: tuple[int, ...] = (4, 8, 8)) -> Any:
    return SimpleNamespace(name=name, rows=(None,) * rows, kind=shape)


def planned(slots: list[Any], settings: EngineSettings) -> list[tuple[str, int]]:
    return [("".join(s.name for s in b.slots), b.padded) for b in plan(slots, settings)]


MIXED = [slot("a", 2), slot("b", 1), slot("c", 2), slot("d", 2), slot("e", 2, (4, 8, 12))]


def test_strict_batches_have_one_shape_for_each_kind() -> None:
    settings = EngineSettings(strict=True, rows=4)
    assert planned(MIXED, settings) == [("ac", 4), ("d", 4), ("b", 2), ("e", 4)]


def test_the_smallest_strict_batch_is_one_picture() -> None:
    assert planned(MIXED[:2], EngineSettings(rows=2)) == [("a", 2), ("b", 1)]


def test_fast_batches_are_filled_with_whatever_fits() -> None:
    settings = EngineSettings(strict=False, rows=4)
    assert planned(MIXED, settings) == [("ab", 3), ("cd", 4), ("e", 2)]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_row_without_its_partner_is_no_batch(rows: int) -> None:
    with pytest.raises(ValueError, match="even"):
        EngineSettings(rows=rows)


def test_a_cache_forgets_what_was_used_longest_ago() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    cache: Cache[str, str] = Cache(2)
    for key in "abacab":
        assert cache.get(key, lambda key=key: make(key)) == key.upper()  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
