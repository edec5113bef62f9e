"""The forms. Like the buttons they carry only a name and an id, and survive a restart.

discord.py would keep every form that was opened in memory and forget it at a restart; so forms
are made here, sent stopped (which keeps discord.py from storing them), and what is submitted is
read from the interaction itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import discord
from discord import ui

from bot.discord_ui.wish import (
    Wish,
    allowed_strength,
    brush_strength,
    parse_strength,
    parse_whole,
)
from bot.errors import Gone
from bot.model import GuildPolicy, Job
from inference.catalog import answers_once
from inference.loras import MAX_LORAS, MAX_NAME, with_tags
from inference.request import (
    MAX_PROMPT,
    MAX_SEED,
    MAX_STEPS,
    Recipe,
)


class Form(StrEnum):
    """What a form is for, and what its id names.

    EDIT: a job, painted again. SOURCE: a result of a job, for who may press its buttons.
    RESULT: the same from the message menu, for everybody. PICTURE: a message with pictures.
    UPSCALE, VARIATIONS: which result of a job. PAINT: the same, painted over.
    """

    EDIT = "edit"
    SOURCE = "source"
    RESULT = "result"
    PICTURE = "picture"
    UPSCALE = "upscale"
    VARIATIONS = "variations"
    PAINT = "paint"


_CUSTOM_ID = re.compile(rf"palimpsest:(?P<form>{'|'.join(Form)}):(?P<id>\d+)")
MAX_OPTIONS = 25
MAX_OPTION = 100  # characters
MAX_TAGS = MAX_LORAS * (MAX_NAME + 25)  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A form that was sent: which, about what (a job's or a message's id), and what was typed.

    painted: the address of the file that was sent with it, or None.
    """

    form: Form
    id: int
    values: Mapping[str, str]
    painted: str | None = None

    @property
    def wish(self) -> Wish:
        """What was typed. Raises UserError."""
        return Wish(
            prompt=self.values.get("prompt", ""),
            negative_prompt=self.values.get("negative_prompt"),
            strength=parse_strength(self.values.get("strength", "")),
            steps=parse_whole("steps", self.values.get("steps", "")),
            seed=parse_whole("seed", self.values.get("seed", "")),
        )

    @property
    def picture(self) -> int:
        """Which of several pictures was chosen, 0-based."""
        return int(self.values.get("picture") or 0)


def submission_of(interaction: discord.Interaction[Any]) -> Submission | None:
    """What a member sent, or None when it is not one of these forms."""
    data = cast(Mapping[str, Any], interaction.data or {})
    match = _CUSTOM_ID.fullmatch(str(data.get("custom_id", "")))
    if match is None:
        return None
    values = dict(_values(data.get("components", [])))
    files = data.get("resolved", {}).get("attachments", {})
    file = files.get(values.get("painted", ""))
    return Submission(
        form=Form(match["form"]),
        id=int(match["id"]),
        values=values,
        painted=None if file is None else file["url"],
    )


def _values(components: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for component in components:
        if "component" in component:  # a label
            yield from _values([component["component"]])
        yield from _values(component.get("components", []))  # an action row
        if "value" in component:
            yield component["custom_id"], component["value"] or ""
        elif component.get("values"):
            yield component["custom_id"], component["values"][0]


def edit_modal(job: Job) -> ui.Modal:
    """Everything of a recipe that five fields can hold, prefilled."""
    recipe = job.recipe
    graded = recipe.has_strength and not job.imagined and not recipe.strengths
    strength = [_strength(f"{recipe.strength:g}")] if graded else []
    return _form(
        Form.EDIT,
        job.id,
        "Edit and paint again",
        # Some tasks know what to do without words.
        _prompt(_tagged(recipe), required=bool(recipe.prompt)),
        _negative_prompt(recipe.negative_prompt),
        *strength,
        _text("steps", "Steps", f"1 to {MAX_STEPS}", str(recipe.steps), longest=3),
        _seed(str(recipe.seed)),
    )


def source_modal(job: Job, policy: GuildPolicy) -> ui.Modal:
    """Paints over a result of the job. Raises Gone when it has no pictures (any more)."""
    return _over_result(Form.SOURCE, "Use as the next source", job, policy)


def result_modal(job: Job, policy: GuildPolicy) -> ui.Modal:
    """The same for whoever opened the menu of the job's card. Raises Gone."""
    return _over_result(Form.RESULT, "Reimagine this", job, policy)


def upscale_modal(job: Job) -> ui.Modal:
    """Which of several pictures becomes larger."""
    return _form(Form.UPSCALE, job.id, "Twice as large", *_picture(_numbered(job)))


def variations_modal(job: Job) -> ui.Modal:
    """Which of several pictures others are made like."""
    return _form(Form.VARIATIONS, job.id, "Variations", *_picture(_numbered(job)))


def paint_modal(job: Job, policy: GuildPolicy) -> ui.Modal:
    """Takes a result back that was painted over. Raises Gone when there is none (any more)."""
    if not job.results:
        raise Gone("These pictures are no longer there.")
    upload: ui.FileUpload[Any] = ui.FileUpload(custom_id="painted", max_values=1)
    hint = "Save it, scribble over what is to change in any editor, and send it back"
    return _form(
        Form.PAINT,
        job.id,
        "Paint over it",
        *_picture(_numbered(job)),
        ui.Label(text="The picture, painted over", description=hint, component=upload),
        _prompt(_tagged(job.recipe)),
        _strength(f"{brush_strength(policy):g}"),
        _negative_prompt(job.recipe.negative_prompt),
    )


def picture_modal(message_id: int, names: Sequence[str], policy: GuildPolicy) -> ui.Modal:
    """Paints over a picture of a message, with the guild's defaults."""
    return _form(
        Form.PICTURE,
        message_id,
        "Reimagine this",
        *_picture(names),
        _prompt(""),
        _strength(f"{policy.default_strength:g}"),
        _negative_prompt(""),
        _seed(""),
    )


def _over_result(form: Form, title: str, job: Job, policy: GuildPolicy) -> ui.Modal:
    if not job.results:
        raise Gone("These pictures are no longer there.")
    recipe = job.recipe
    # From an edited picture an editor goes on, and has no strength; from within a mask another.
    edited = recipe.task == "edit" or (recipe.task == "img2img" and not recipe.graded)
    strengths = [] if edited else [_strength(f"{_onward_strength(job, policy):g}")]
    return _form(
        form,
        job.id,
        title,
        *_picture(_numbered(job)),
        _prompt(_tagged(recipe)),
        *strengths,
        _negative_prompt(recipe.negative_prompt),
        _seed(""),
    )


def _onward_strength(job: Job, policy: GuildPolicy) -> float:
    """The job's own where it says how much of a source is to be kept, else the guild's."""
    recipe = job.recipe
    plain = recipe.task == "img2img" and not answers_once(recipe.model)
    if not plain or job.imagined or recipe.strengths:
        return policy.default_strength
    return allowed_strength(recipe.strength, policy)


def _numbered(job: Job) -> list[str]:
    return [f"Picture {number}" for number in range(1, len(job.results) + 1)]


def _form(form: Form, subject: int, title: str, *fields: ui.Label[Any]) -> ui.Modal:
    modal = ui.Modal(title=title, custom_id=f"palimpsest:{form}:{subject}")
    for field in fields:
        modal.add_item(field)
    modal.stop()
    return modal


def _tagged(recipe: Recipe) -> str:
    return with_tags(recipe.prompt, recipe.loras)


def _prompt(default: str, *, required: bool = True) -> ui.Label[Any]:
    hint = "What the new picture shows"
    longest = MAX_PROMPT + MAX_TAGS
    return _text("prompt", "Prompt", hint, default, long=True, longest=longest, required=required)


def _negative_prompt(default: str) -> ui.Label[Any]:
    return _text("negative_prompt", "Negative prompt", "What it does not show", default, long=True)


def _strength(default: str) -> ui.Label[Any]:
    hint = "0 keeps the picture, 1 paints it all over; or subtle, balanced, bold"
    return _text("strength", "Strength", hint, default, longest=20, required=True)


def _seed(default: str) -> ui.Label[Any]:
    return _text("seed", "Seed", "Leave empty for a new one", default, longest=len(str(MAX_SEED)))


def _text(
    name: str,
    label: str,
    hint: str,
    default: str,
    *,
    long: bool = False,
    longest: int = MAX_PROMPT,
    required: bool = False,
) -> ui.Label[Any]:
    style = discord.TextStyle.paragraph if long else discord.TextStyle.short
    field: ui.TextInput[Any] = ui.TextInput(
        custom_id=name, style=style, default=default or None, required=required, max_length=longest
    )
    return ui.Label(text=label, description=hint, component=field)


def _picture(names: Sequence[str]) -> list[ui.Label[Any]]:
    """A choice among several pictures, at first the first one; nothing for one."""
    if len(names) < 2:
        return []
    options = [
        discord.SelectOption(label=name[:MAX_OPTION], value=str(number), default=number == 0)
        for number, name in enumerate(names[:MAX_OPTIONS])
    ]
    select: ui.Select[Any] = ui.Select(custom_id="picture", options=options)
    return [ui.Label(text="Picture", component=select)]
