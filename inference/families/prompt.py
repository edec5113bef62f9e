"""Prompts as people write them: `a (red:1.3) house`; importing this loads no torch."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inference.errors import RequestError

MAX_WEIGHT = 2.0
"""Weights go from 0, as if the words were not there, to this; 1 is ordinary."""

_TOKEN = re.compile(r"\\[()]|\(|:\s*(-?\d*\.?\d+)\s*\)|\)|[^()\\:]+|.", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """A piece of a prompt and its weight, 0…MAX_WEIGHT."""

    text: str
    weight: float


def parse_prompt(prompt: str) -> list[Phrase]:
    """The phrases of a prompt; those in brackets within brackets have the product of the weights.

    Only brackets that end in a colon and a number mean a weight; all others are text, and so are
    brackets after a backslash. Raises RequestError for a weight beyond its limits.
    """
    if re.search(r":\s*-?\d*\.?\d+\s*\)", prompt) is None:
        return [Phrase(text=prompt, weight=1.0)]
    return list(_merged(_parse(prompt)))


def _parse(prompt: str) -> list[Phrase]:
    # Each open bracket has its own list; if it turns out to have no weight it was text.
    levels: list[list[Phrase]] = [[]]
    for match in _TOKEN.finditer(prompt):
        piece = match[0]
        if piece == "(":
            levels.append([])
        elif piece.endswith(")") and not piece.startswith("\\") and len(levels) > 1:
            inner = levels.pop()
            if match[1] is not None:
                factor = _checked(float(match[1]))
                inner = [Phrase(text=p.text, weight=p.weight * factor) for p in inner]
            else:
                inner = [_plain("("), *inner, _plain(")")]
            levels[-1] += inner
        else:
            levels[-1].append(_plain(piece.removeprefix("\\") if len(piece) == 2 else piece))
    while len(levels) > 1:
        inner = levels.pop()
        levels[-1] += [_plain("("), *inner]
    return levels[0]


def _merged(phrases: list[Phrase]) -> Iterator[Phrase]:
    """Neighbours of one weight as one phrase: a word must not be split between two."""
    text, weight = "", 1.0
    for phrase in phrases:
        if phrase.weight != weight and text:
            yield Phrase(text=text, weight=_checked(weight))
            text = ""
        text, weight = text + phrase.text, phrase.weight
    if text:
        yield Phrase(text=text, weight=_checked(weight))


def _plain(text: str) -> Phrase:
    return Phrase(text=text, weight=1.0)


def _checked(weight: float) -> float:
    if not 0 <= weight <= MAX_WEIGHT:
        nearest = 0 if weight < 0 else MAX_WEIGHT
        raise RequestError(
            f"The weight {weight:g} in the prompt is outside 0 to {MAX_WEIGHT:g}; "
            f"the nearest allowed value is {nearest:g}."
        )
    return weight
