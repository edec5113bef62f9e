"""What made a picture, as one text in the form that AUTOMATIC1111's web UI introduced.

Nearly every program and site for such pictures reads it: the prompt, a line that begins with
“Negative prompt:”, and a last line of `Key: value` pairs that begins with “Steps:”.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from inference.loras import with_tags
from inference.request import Recipe

SAMPLERS: Mapping[str, tuple[str, str | None]] = {
    "ddim": ("DDIM", None),
    "euler": ("Euler", None),
    "euler-a": ("Euler a", None),
    "dpm++2m": ("DPM++ 2M", None),
    "dpm++2m-karras": ("DPM++ 2M", "Karras"),
    "unipc": ("UniPC", None),
    "lcm": ("LCM", None),
}
"""Our schedulers as that form names them: sampler, and schedule type where it has one."""

_NEGATIVE = "Negative prompt: "
_PAIR = re.compile(r'(?<![\w \-/])([\w \-/]+):\s*("(?:\\.|[^"\\])*"(?=,|$)|[^,]*)')
"""A name is looked for only where a run of its characters begins: in strangers' texts a run may be
long, and looking from each of its characters would take for ever."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Infotext:
    """A text in that form, taken apart. values: the pairs of its last line, as they stand."""

    prompt: str
    negative_prompt: str
    values: Mapping[str, str]


def write_infotext(
    recipe: Recipe, *, seed: int, size: tuple[int, int], scheduler: str, model_hash: str
) -> str:
    """The text for one picture.

    seed: of this picture. size: width and height in pixels. scheduler: the name or class that
    ran, for which the recipe need not name one. model_hash: the model's fingerprint, "" for none.
    """
    painted_over = recipe.has_strength and recipe.strength < 1
    sampler, schedule = SAMPLERS.get(recipe.scheduler or "", (scheduler, None))
    values = {
        "Steps": str(recipe.steps),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": f"{recipe.guidance:g}",
        "Seed": str(seed),
        "Size": f"{size[0]}x{size[1]}",
        "Model hash": model_hash,
        "Model": recipe.model.rstrip("/").rpartition("/")[2],
        "Denoising strength": f"{recipe.strength:g}" if painted_over else None,
    }
    prompt = with_tags(recipe.prompt, recipe.loras)
    lines = [prompt] if prompt else []
    if recipe.negative_prompt:
        lines.append(_NEGATIVE + recipe.negative_prompt)
    lines.append(", ".join(f"{name}: {_quoted(text)}" for name, text in values.items() if text))
    return "\n".join(lines)


def read_infotext(text: str) -> Infotext | None:
    """Takes such a text apart; None for a text of another form."""
    *lines, last = text.strip().split("\n")
    if not last.startswith("Steps: "):
        return None
    prompt: list[str] = []
    negative: list[str] | None = None
    for line in lines:
        if negative is None and line.startswith(_NEGATIVE.rstrip()):
            negative = [line.removeprefix(_NEGATIVE.rstrip()).lstrip()]
        else:
            (prompt if negative is None else negative).append(line)
    return Infotext(
        prompt="\n".join(prompt).strip(),
        negative_prompt="\n".join(negative or []).strip(),
        values={name.strip(): _unquoted(value) for name, value in _PAIR.findall(last)},
    )


def _quoted(value: str) -> str:
    """A value that would end early is written as a JSON string."""
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    try:
        return str(json.loads(value))
    except ValueError:
        return value
