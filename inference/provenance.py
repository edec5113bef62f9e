"""What the texts in a picture's file say made it, whichever program wrote them.

Ours, AUTOMATIC1111's web UI and those that write like it, ComfyUI and InvokeAI. Strangers' files
say what they like: every value is taken for text or checked, and nothing found is a normal answer.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from inference.comfy import read_graph
from inference.errors import InferenceError
from inference.infotext import SAMPLERS, Infotext, read_infotext
from inference.loras import with_tags
from inference.request import Recipe
from inference.stamps import OWN, PARAMETERS

OWN_PROGRAM = "Palimpsest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What a file says made it; None and "" where it does not say.

    program: who wrote it. sampler, model: as that program calls them.
    strength: 0…1, how far a source was painted over; None for text-to-image or unknown.
    size: width and height in pixels, as text.
    """

    program: str
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    sampler: str = ""
    model: str = ""
    size: str = ""

    @property
    def scheduler(self) -> str | None:
        """Our name of the sampler; None where we have none like it."""
        return _scheduler(self.sampler)


def provenance_of(texts: Mapping[str, str]) -> Provenance | None:
    """What a file's texts say, None where they say nothing."""
    for key, read in _READERS.items():
        found = read(texts[key]) if key in texts else None
        if found is not None:
            return found
    return None


def _own(text: str) -> Provenance | None:
    own = _json(text)
    try:
        recipe = Recipe.from_json(json.dumps(own["recipe"]))
        prompt = with_tags(_text(recipe.prompt), recipe.loras)
    except (KeyError, TypeError, ValueError, InferenceError):
        return None
    return Provenance(
        program=OWN_PROGRAM,
        prompt=prompt,
        negative_prompt=_text(recipe.negative_prompt),
        seed=_whole(recipe.seed),
        steps=_whole(recipe.steps),
        guidance=_number(recipe.guidance),
        strength=_number(recipe.strength) if recipe.has_strength else None,
        sampler=_text(recipe.scheduler) or _text(own.get("scheduler")),
        model=_text(recipe.model),
        size=_text(own.get("size")),
    )


def _a1111(text: str) -> Provenance | None:
    infotext = read_infotext(text)
    return None if infotext is None else _of_infotext(infotext)


def _of_infotext(infotext: Infotext) -> Provenance:
    values = infotext.values
    sampler = " ".join(
        part for part in (values.get("Sampler"), values.get("Schedule type")) if part
    )
    return Provenance(
        program="AUTOMATIC1111",
        prompt=infotext.prompt,
        negative_prompt=infotext.negative_prompt,
        seed=_whole(values.get("Seed")),
        steps=_whole(values.get("Steps")),
        guidance=_number(values.get("CFG scale")),
        strength=_number(values.get("Denoising strength")),
        sampler=sampler.removesuffix(" Automatic"),
        model=values.get("Model", ""),
        size=values.get("Size", ""),
    )


def _comfy(text: str) -> Provenance | None:
    found = read_graph(_json(text))
    if found is None:
        return None
    denoise = _number(found.denoise)
    return Provenance(
        program="ComfyUI",
        prompt=found.positive,
        negative_prompt=found.negative,
        seed=_whole(found.seed),
        steps=_whole(found.steps),
        guidance=_number(found.cfg),
        strength=None if denoise == 1 else denoise,
        sampler=f"{found.sampler} {found.scheduler}".strip(),
        model=found.checkpoint,
    )


def _invoke(text: str) -> Provenance | None:
    values = _json(text)
    if not values:
        return None
    model = values.get("model")
    name = model.get("name") or model.get("model_name") if isinstance(model, dict) else model
    sides = [_whole(values.get(side)) for side in ("width", "height")]
    return Provenance(
        program="InvokeAI",
        prompt=_text(values.get("positive_prompt")),
        negative_prompt=_text(values.get("negative_prompt")),
        seed=_whole(values.get("seed")),
        steps=_whole(values.get("steps")),
        guidance=_number(values.get("cfg_scale")),
        strength=_number(values.get("strength")),
        sampler=_text(values.get("scheduler")),
        model=_text(name),
        size="x".join(map(str, sides)) if all(sides) else "",
    )


_READERS: Mapping[str, Callable[[str], Provenance | None]] = {
    OWN: _own,
    PARAMETERS: _a1111,
    "prompt": _comfy,
    "invokeai_metadata": _invoke,
}
"""By the key of the text; ours first, as it says most."""


def _scheduler(sampler: str) -> str | None:
    """By whichever of the programs' names; letters and digits only, as each writes them its way."""
    wanted = _bare(sampler)
    for name, (label, schedule) in SAMPLERS.items():
        if wanted in {_bare(name), _bare(f"{label} {schedule or ''}")} | _ALIASES.get(name, set()):
            return name
    return None


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))


_ALIASES = {
    "euler": {"eulernormal", "eulerdiscretescheduler"},
    "euler-a": {"eulerancestral", "eulerancestralnormal", "eulerancestraldiscretescheduler"},
    "ddim": {"ddimnormal", "ddimddimuniform", "ddimscheduler"},
    "dpm++2m": {"dpmpp2mnormal"},
    "dpm++2m-karras": {"dpmpp2mk"},
    "unipc": {"unipcnormal", "unipcmultistepscheduler"},
    "lcm": {"lcmsgmuniform", "lcmnormal", "lcmscheduler"},
}


def _json(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
        # JSON can say half a character (a lone surrogate), which no database takes.
        whole = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        content = json.loads(whole)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _number(value: object) -> float | None:
    """A finite number, whether it stands there as one or as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e15 else None
