"""Numbers of rows that compiled passes may have."""

import pytest

from inference.engine.settings import MOST_ROWS, ROW_COUNTS, EngineSettings


def test_a_pass_is_filled_up_to_the_next_number() -> None:
    settings = EngineSettings(strict=False, rows=MOST_ROWS).compiling(True)
    assert [settings.padded(rows) for rows in (1, 2, 3, 5, 9, 13, 16)] == [1, 2, 4, 6, 12, 16, 16]


def test_at_most_a_third_of_a_pass_is_wasted() -> None:
    settings = EngineSettings(strict=False, rows=MOST_ROWS).compiling(True)
    assert ROW_COUNTS[-1] == MOST_ROWS
    for rows in range(1, MOST_ROWS + 1):
        assert rows <= settings.padded(rows) <= rows * 1.5


def test_without_a_compiler_nothing_is_filled_up() -> None:
    settings = EngineSettings(strict=False, rows=8)
    assert settings.padded(3) == 3
    assert settings.compiling(True).compiling(False) == settings


def test_more_than_the_largest_is_taken_as_it_is() -> None:
    assert EngineSettings(strict=False, rows=8, shapes=(2, 4)).padded(6) == 6


def test_strict_mode_has_its_own_rule() -> None:
    with pytest.raises(ValueError, match="strict"):
        EngineSettings(shapes=(2, 4))
