"""A request from the plain values of a command line or of one line of a jobs file."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, cast, get_args

from inference.errors import RequestError
from inference.families.schedulers import check_scheduler
from inference.loras import LoraUse, check_no_tag, split_weight, take_loras
from inference.model_info import PIX2PIX, ModelInfo
from inference.options import OPTIONS
from inference.request import LADDER, MAX_SEED, TASKS, Recipe
from inference.shelf import Shelf, check_loras
from inference.tasks.style import check_style

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
    "loras": list,
    "match_colours": bool,
}
"""What a recipe can be made of, with the types it is made of."""

TASK_FIELDS: Mapping[str, Field[Any]] = {
    field.name: field for kind in OPTIONS.values() for field in fields(kind)
}
"""What only some tasks can be asked for; a name means the same kind of value to all of them."""

PROMPTLESS = ("colorize", "outpaint", "upscale", "denoise", "blend", "style")
"""Tasks that know what to do without words."""

STEERING = tuple(name for name in FIELDS if name not in ("task", "size", "match_colours"))
"""What says more than the task does, see `Catalog.made_for`."""

COMMANDS = (*TASKS, "imagine", "ladder")
"""The tasks by the names that people give them."""

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


def make_recipe(
    given: Mapping[str, Any], info: ModelInfo, shelf: Shelf, *, folder: Path | None = None
) -> Recipe:
    """What was asked for, completed by what suits the model and a new seed; None is not given.

    LoRAs are named by `loras`, a list of `NAME_OR_PATH[:WEIGHT]`, and by tags in the prompt.
    shelf: where they are; those named by their path are added to it. folder: where a relative
    path is looked for before the working directory.

    Raises RequestError for an unknown field, a wrong type or a value beyond its limits.
    """
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        _check(name, value)
    own = {name: values.pop(name) for name in list(values) if name in TASK_FIELDS}
    size = values.pop("size", None)
    if size is not None:
        values["width"], values["height"] = parse_size(size)
    defaults: dict[str, Any] = {
        "steps": info.default_steps,
        "guidance": info.default_guidance,
        "seed": secrets.randbelow(MAX_SEED + 1),
    }
    suits = info.strength_for(values.get("task", "img2img"))
    if suits is not None:
        defaults["strength"] = suits
    values |= _task_values(values)
    values |= _options(values.get("task", "img2img"), own)
    reads = info.architecture != PIX2PIX
    if "prompt" not in values and reads and values.get("task") not in PROMPTLESS:
        raise RequestError("The field “prompt” is missing.")
    values.setdefault("prompt", "")
    check_no_tag(values.get("negative_prompt", ""), where="negative prompt")
    values["prompt"], tagged = take_loras(values["prompt"])
    named = [_lora(text, shelf, folder) for text in values.pop("loras", ())]
    recipe = Recipe(model=info.id, loras=(*named, *tagged), **(defaults | values))
    check_scheduler(recipe.scheduler)
    check_loras(recipe.loras, shelf, info)
    check_style(recipe, info)
    return recipe


def _task_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What follows from the task's name. Raises RequestError for what contradicts it."""
    task = values.get("task", "img2img")
    if task not in COMMANDS:
        raise RequestError(f"Task “{task}” is not one of: {', '.join(COMMANDS)}.")
    if task == "ladder":
        for name in ("strength", "count"):
            if name in values:
                raise RequestError(
                    f"A ladder has one picture for each of its strengths; leave {name} out."
                )
        return {"task": "img2img", "strengths": LADDER}
    if task == "imagine":
        if values.get("strength", 1) != 1:
            raise RequestError("To imagine paints over nothing; leave strength out.")
        return {"task": "img2img", "strength": 1.0}
    return {}


def _options(task: str, given: dict[str, Any]) -> dict[str, Any]:
    """The task's own options. Raises RequestError for one that it does not have."""
    kind = OPTIONS.get(task)
    known = () if kind is None else tuple(field.name for field in fields(kind))
    for name in given:
        if name not in known:
            has = f"it has: {', '.join(known)}" if known else "it has none of its own"
            raise RequestError(f"The task “{task}” has no option “{name}”; {has}.")
    return {"options": kind(**given)} if kind is not None else {}


def kind_of(field: Field[Any]) -> type:
    """What a task's field is: int, float, str or bool."""
    kinds = get_args(field.type) or (field.type,)
    return cast(type, kinds[0])


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of `WxH`, pixels. Raises RequestError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise RequestError(f"The size “{text}” is not of the form WIDTHxHEIGHT, as in 512x384.")
    return int(match[1]), int(match[2])


def _check(name: str, value: object) -> None:
    if name in TASK_FIELDS:
        kind: Any = kind_of(TASK_FIELDS[name])
        allowed = (int, float) if kind is float else kind
    elif name in FIELDS:
        allowed = FIELDS[name]
    else:
        raise RequestError(
            f"There is no field “{name}”; there are: {', '.join((*FIELDS, *TASK_FIELDS))}."
        )
    if not isinstance(value, allowed) or (isinstance(value, bool) and allowed is not bool):
        raise RequestError(f"The {name.replace('_', ' ')} cannot be {value!r}.")


def _lora(text: object, shelf: Shelf, folder: Path | None) -> LoraUse:
    """One LoRA by its name on the shelf or by its file's path."""
    if not isinstance(text, str):
        raise RequestError(f"A LoRA cannot be {text!r}; it is a text as in “ink:0.8”.")
    name, weight = split_weight(text)
    if name.endswith(".safetensors") or "/" in name or "\\" in name:
        beside = (folder or Path()) / name
        name = shelf.add_lora(beside if beside.exists() else Path(name).expanduser())
    return LoraUse(name=name, weight=weight)
