"""Result and work sizes: the budget is kept, so is the shape, and rounding is what is stated."""

from itertools import product

import pytest

from inference.sizes import multiple_size, result_size, work_size

SIDES = (1, 2, 3, 7, 64, 100, 255, 480, 640, 1023, 1080, 1920, 2048)
BUDGETS = (1, 64 * 64, 128 * 128, 256 * 256, 512 * 512, 1024 * 1024, 768 * 512 + 13)


@pytest.mark.parametrize("budget", BUDGETS)
def test_the_budget_is_used_up_but_never_exceeded_and_the_shape_is_kept(budget: int) -> None:
    for width, height in product(SIDES, SIDES):
        new_width, new_height = result_size(width, height, budget)
        assert min(new_width, new_height) >= 1
        assert new_width * new_height <= budget or min(new_width, new_height) == 1
        longer, shorter = max(new_width, new_height), min(new_width, new_height)
        ratio = max(width, height) / min(width, height)
        if shorter > 1:
            assert abs(shorter - longer / ratio) <= 0.5
            # One pixel more on the longer side would not fit, or not keep the shape.
            assert (longer + 2) * ((longer + 2) / ratio + 0.5) > budget


def test_a_turned_source_gives_a_turned_result() -> None:
    for width, height in product(SIDES, SIDES):
        assert result_size(width, height, 65536) == result_size(height, width, 65536)[::-1]


def test_squares_stay_square() -> None:
    assert {result_size(side, side, 512 * 512) for side in SIDES} == {(512, 512)}


@pytest.mark.parametrize(
    ("source", "budget", "result"),
    [
        ((4000, 3000), 512 * 512, (591, 443)),
        ((3000, 4000), 512 * 512, (443, 591)),
        ((16, 9), 256 * 256, (341, 192)),  # smaller than the budget: scaled up
        ((2048, 256), 512 * 512, (1448, 181)),
        ((1, 1), 1, (1, 1)),
    ],
)
def test_examples(source: tuple[int, int], budget: int, result: tuple[int, int]) -> None:
    assert result_size(*source, budget) == result


@pytest.mark.parametrize("multiple", [1, 8, 32, 64])
def test_work_is_the_next_multiple_on_each_side(multiple: int) -> None:
    for width, height in product(SIDES, SIDES):
        for side, padded in zip((width, height), work_size(width, height, multiple), strict=True):
            assert padded % multiple == 0
            assert 0 <= padded - side < multiple


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_nothing_below_one_is_a_size(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        result_size(*wrong)
    with pytest.raises(ValueError, match="at least 1"):
        work_size(*wrong)


def test_sizes_in_multiples_stay_near_the_budget() -> None:
    for width, height in product((1, 2, 3, 9, 16), repeat=2):
        wide, high = multiple_size(width, height, 256 * 256, 8)
        assert wide % 8 == high % 8 == 0
        exact = result_size(width, height, 256 * 256)
        assert abs(wide - exact[0]) <= 4
        assert abs(high - exact[1]) <= 4
    assert multiple_size(1, 400, 256 * 256, 8)[0] == 16
    assert multiple_size(1, 8000, 256 * 256, 8)[0] == 8
