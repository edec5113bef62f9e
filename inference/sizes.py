"""How large a picture comes out: the model's pixel budget in the source's shape."""

from math import isqrt


def result_size(width: int, height: int, pixel_budget: int) -> tuple[int, int]:
    """Width and height of the result for a source of width × height pixels.

    The shape is the source's and the area the largest that does not exceed `pixel_budget`
    (pixels, at least 1); sources smaller than the budget are scaled up. Rounding: the longer
    side is rounded down, the shorter one to the nearest pixel, and while the area is still
    above the budget the longer side gives way, one pixel at a time. No side is below 1.

    Raises ValueError where a number is below 1.
    """
    if min(width, height, pixel_budget) < 1:
        raise ValueError("width, height and pixel_budget must be at least 1")
    short, long = sorted((width, height))
    longer = max(1, isqrt(pixel_budget * long // short))
    while longer * (shorter := _shorter(longer, short, long)) > pixel_budget and longer > 1:
        longer -= 1
    return (longer, shorter) if width >= height else (shorter, longer)


def multiple_size(width: int, height: int, pixel_budget: int, multiple: int) -> tuple[int, int]:
    """About `result_size`, each side the nearest multiple of `multiple`, at least one of them.

    The area may exceed the budget by what that rounding adds.
    """
    sides = result_size(width, height, pixel_budget)
    wide, high = (max(1, round(side / multiple)) * multiple for side in sides)
    return wide, high


def _shorter(longer: int, short: int, long: int) -> int:
    """The side that belongs to `longer` in the shape short:long, to the nearest pixel."""
    return max(1, (2 * longer * short + long) // (2 * long))


def work_size(width: int, height: int, multiple: int) -> tuple[int, int]:
    """The size a model works at: each side rounded up to `multiple`.

    What is added lies at the right and the bottom and is cropped off again afterwards.
    Raises ValueError where a number is below 1.
    """
    if min(width, height, multiple) < 1:
        raise ValueError("width, height and multiple must be at least 1")
    return -(-width // multiple) * multiple, -(-height // multiple) * multiple
