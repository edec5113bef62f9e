"""LoRAs as a request names them: which, and how strongly. Importing this loads no torch."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from inference.errors import RequestError

MAX_LORAS = 5
MIN_WEIGHT, MAX_WEIGHT = -2.0, 2.0
MAX_NAME = 80

_NAME = re.compile(r"[^<>:/\\\x00-\x1f\x7f]+")
_WEIGHTED = re.compile(r"(?P<name>.*):\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*", re.DOTALL)
_TAG = re.compile(r"(?P<before>\w?)\s*<\s*lora\s*:(?P<inner>[^<>]*)>(?=(?P<after>\w?))", re.I)
_BEGINNING = re.compile(r"<\s*lora\s*:", re.I)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class LoraUse:
    """One LoRA of a request.

    name: of a file, without its folder and ending; 1…MAX_NAME characters, none of them `<>:/\\`
        or a control character.
    weight: MIN_WEIGHT…MAX_WEIGHT, a factor on what it changes; 0 is as if it were not there.

    Raises RequestError from the constructor.
    """

    name: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise RequestError(
                f"“{self.name[:MAX_NAME]}” cannot be the name of a LoRA: that has 1 to {MAX_NAME} "
                "characters, none of them < > : / or \\."
            )
        if not MIN_WEIGHT <= self.weight <= MAX_WEIGHT:  # also refuses NaN
            nearest = MIN_WEIGHT if self.weight < MIN_WEIGHT else MAX_WEIGHT
            raise RequestError(
                f"The weight {self.weight:g} of the LoRA “{self.name}” is outside {MIN_WEIGHT:g} "
                f"to {MAX_WEIGHT:g}; the nearest allowed value is {nearest:g}."
            )

    def __str__(self) -> str:
        weight = f"{self.weight:.10f}".rstrip("0").rstrip(".")
        return f"{self.name}:{weight}"


def is_name(text: str) -> bool:
    """Whether a LoRA can be called that."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None and text == text.strip()


def in_order(loras: Iterable[LoraUse]) -> tuple[LoraUse, ...]:
    """By name, so that the order in which they were named does not matter.

    Raises RequestError for more than MAX_LORAS, or one that is named twice.
    """
    ordered = tuple(sorted(loras))
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise RequestError(
                f"The LoRA “{one.name}” is asked for twice, with the weights {one.weight:g} and "
                f"{other.weight:g}; name it once."
            )
    if len(ordered) > MAX_LORAS:
        raise RequestError(
            f"{len(ordered)} LoRAs are asked for; at most {MAX_LORAS} are allowed at once."
        )
    return ordered


def split_weight(text: str) -> tuple[str, float]:
    """`name` or `name:0.8` as its two parts; without a weight it is 1."""
    match = _WEIGHTED.fullmatch(text)
    if match is None:
        return text.strip(), 1.0
    return match["name"].strip(), float(match["weight"])


def parse_lora(text: str) -> LoraUse:
    """`name` or `name:0.8`. Raises RequestError."""
    name, weight = split_weight(text)
    return LoraUse(name=name, weight=weight)


def take_loras(prompt: str) -> tuple[str, tuple[LoraUse, ...]]:
    """A prompt without its `<lora:name:0.8>`, and what they name.

    `<lora:name>` has the weight 1. A tag goes together with the blanks before it. Raises
    RequestError for a tag of another form.
    """
    found: list[LoraUse] = []

    def take(tag: re.Match[str]) -> str:
        found.append(parse_lora(tag["inner"]))
        return tag["before"] + (" " if tag["before"] and tag["after"] else "")

    rest = _TAG.sub(take, prompt)
    check_no_tag(rest)
    return (rest.strip() if found else rest), tuple(found)


def check_no_tag(text: str, *, where: str = "prompt") -> None:
    """Raises RequestError for text with (the beginning of) a tag in it."""
    match = _BEGINNING.search(text)
    if match is None:
        return
    tag = text[match.start() :][:40]
    if where == "prompt":
        raise RequestError(f"“{tag}” in the prompt is not of the form <lora:name:0.8>.")
    raise RequestError(f"“{tag}” in the {where} has no meaning; LoRAs stand in the prompt.")


def with_tags(prompt: str, loras: Iterable[LoraUse]) -> str:
    """The inverse of `take_loras`: the tags stand behind the prompt."""
    return " ".join([*([prompt] if prompt else []), *(f"<lora:{lora}>" for lora in loras)])


def refuse_loras(loras: Sequence[LoraUse], model: str) -> None:
    """For a model that takes none. Raises RequestError where some are asked for."""
    if loras:
        raise RequestError(
            f"The model “{model}” runs without LoRAs; leave “{loras[0].name}” out of the request."
        )
