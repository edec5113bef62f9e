"""A request from the plain values of a command line or of one line of a jobs file."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from inference.errors import RequestError
from inference.families.schedulers import check_scheduler
from inference.model_info import ModelInfo
from inference.request import MAX_SEED, Recipe

FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "task": str,
    "prompt": str,
    "negative_prompt": str,
    "strength": (int, float),
    "steps": int,
    "guidance": (int, float),
    "seed": int,
    "count": int,
    "size": str,
    "scheduler": str,
}
"""What a recipe can be made of, with the types it is made of."""

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


def make_recipe(given: Mapping[str, Any], info: ModelInfo) -> Recipe:
    """What was asked for, completed by what suits the model and a new seed; None is not given.

    Raises RequestError for an unknown field, a wrong type or a value beyond its limits.
    """
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        _check(name, value)
    size = values.pop("size", None)
    if size is not None:
        values["width"], values["height"] = parse_size(size)
    defaults: dict[str, Any] = {
        "steps": info.default_steps,
        "guidance": info.default_guidance,
        "seed": secrets.randbelow(MAX_SEED + 1),
    }
    if "prompt" not in values:
        raise RequestError("The field “prompt” is missing.")
    recipe = Recipe(model=info.id, **(defaults | values))
    check_scheduler(recipe.scheduler)
    return recipe


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of `WxH`, pixels. Raises RequestError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise RequestError(f"The size “{text}” is not of the form WIDTHxHEIGHT, as in 512x384.")
    return int(match[1]), int(match[2])


def _check(name: str, value: object) -> None:
    if name not in FIELDS:
        raise RequestError(f"There is no field “{name}”; there are: {', '.join(FIELDS)}.")
    if not isinstance(value, FIELDS[name]) or isinstance(value, bool):
        raise RequestError(f"The {name.replace('_', ' ')} cannot be {value!r}.")
