"""Ranges that a request must keep, and the sentence for one that does not."""

from inference.errors import RequestError

MIN_SIDE, MAX_SIDE, SIDE_MULTIPLE = 64, 4096, 8
"""Of a picture, in pixels."""


def within(name: str, value: float, low: float, high: float) -> None:
    """Raises RequestError naming the limit and the nearest legal value."""
    if not low <= value <= high:  # also refuses NaN
        nearest = low if value < low else high
        raise RequestError(
            f"{name.capitalize()} {plain(value)} is outside {plain(low)} to {plain(high)}; "
            f"the nearest allowed value is {plain(nearest)}."
        )


def one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raises RequestError naming the choices."""
    if value not in choices:
        listed = ", ".join(f"{choice}" for choice in choices)
        raise RequestError(f"{name.capitalize()} “{value}” is not one of: {listed}.")


def plain(value: float) -> str:
    """Integers in full, fractions without trailing zeros."""
    return str(value) if isinstance(value, int) else f"{value:g}"
