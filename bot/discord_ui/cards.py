"""The cards that show a job in a channel. They hold no state: each is made from the job's row,
the buttons below a result also from what its model can do.

Discord allows 40 components and 4000 characters of text on a card, and 1024 characters of
alternative text; escaped prompts, the longest part, are cut far below that.
"""

from collections.abc import Collection, Iterator
from typing import Any

from discord import Colour, ui

from bot.discord_ui.buttons import Action, JobButton
from bot.discord_ui.next_steps import next_steps, once_more
from bot.discord_ui.progress import bar, duration, moment
from bot.discord_ui.task_words import task_words
from bot.discord_ui.uploads import Parcel, Upload
from bot.discord_ui.wording import ELLIPSIS, escaped
from bot.jobs.service import QueuePlace
from bot.model import Job
from inference.catalog import answers_once
from inference.picture import SHEET_COLUMNS
from inference.request import MAX_SEED, Recipe
from inference.result import Progress

MAX_PROMPT_SHOWN = 600
MAX_NEGATIVE_SHOWN = 200
MAX_MODEL_SHOWN = 40
MAX_ERROR_SHOWN = 1500
MAX_NOTES_SHOWN, MAX_NOTE_SHOWN = 4, 200

SLATE = Colour(0x80848E)
BLUE = Colour(0x5865F2)
GREEN = Colour(0x3BA55D)
RED = Colour(0xDA373C)


class Card(ui.LayoutView):
    """One container. It is never kept for dispatch: its buttons are dynamic items."""

    def __init__(self, colour: Colour, *items: ui.Item[Any]) -> None:
        super().__init__(timeout=None)
        self.add_item(ui.Container(*items, accent_colour=colour))
        # A finished view is sent like any other, but discord.py does not remember it.
        self.stop()


def waiting(job: Job, place: QueuePlace | None) -> ui.LayoutView:
    """A job in the queue; place: None while it is not known."""
    lines = ["⏳ **Waiting**"]
    if place is not None:
        lines.append("next in line" if place.position == 1 else f"number {place.position} in line")
        if place.seconds is not None:
            lines.append(f"done {moment(place.seconds)}")
    return Card(SLATE, *_heading(job, " · ".join(lines)), _buttons(job, Action.CANCEL))


def running(
    job: Job, progress: Progress | None, *, left: float | None = None, preview: str | None = None
) -> ui.LayoutView:
    """A job under way.

    left: seconds until it is done, if known; preview: the name of the attached picture so far.
    """
    if progress is None:
        heading = ["🖌️ **Starting**"]
    else:
        heading = [f"🖌️ **Painting** · step {progress.step} of {progress.steps}"]
        if left is not None:
            heading.append(f" · about {duration(left)} left")
        heading.append(f"\n{bar(progress.step, progress.steps)}")
    items = _heading(job, "".join(heading))
    if preview is not None:
        gallery: ui.MediaGallery[Any] = ui.MediaGallery()
        items.append(
            gallery.add_item(media=f"attachment://{preview}", description="The picture so far")
        )
    return Card(BLUE, *items, _buttons(job, Action.CANCEL))


def result(job: Job, parcel: Parcel, refused: Collection[Action] = ()) -> ui.LayoutView:
    """The finished pictures with what was used, and what can be done next.

    refused: what cannot, as for `next_steps`.
    """
    text: ui.TextDisplay[Any] = ui.TextDisplay(_wish(job))
    items: list[ui.Item[Any]] = [text]
    if parcel.source is not None:
        items = [ui.Section(text, accessory=_thumbnail(parcel.source))]
    gallery: ui.MediaGallery[Any] = ui.MediaGallery()
    for picture in parcel.pictures:
        gallery.add_item(media=f"attachment://{picture.name}", description=picture.alt)
    items += [gallery, ui.TextDisplay("\n".join(f"-# {line}" for line in _small(job, parcel)))]
    return Card(GREEN, *items, *_rows(job, refused))


def failed(job: Job) -> ui.LayoutView:
    """A job that was refused or went wrong, in the member's words or with a reference."""
    return words(job, error_text(job))


def words(job: Job, text: str, *, quoting: bool = True) -> ui.LayoutView:
    """A finished job of which there is only something to say.

    text: for the member; it may use Discord's timestamps, so it is shown as it is.
    quoting: whether the prompt is shown, which a server's AutoMod may object to.
    """
    if len(text) > MAX_ERROR_SHOWN:
        text = text[: MAX_ERROR_SHOWN - 1] + ELLIPSIS
    again = once_more(job)
    heading = _heading(job, f"⚠️ {text}", quoting=quoting)
    return Card(RED, *heading, _buttons(job, *again, Action.DELETE))


def cancelled(job: Job) -> ui.LayoutView:
    """A job that a member stopped."""
    again = once_more(job)
    return Card(SLATE, *_heading(job, "✖️ **Cancelled**"), _buttons(job, *again, Action.DELETE))


def moved(job: Job, message_id: int) -> ui.LayoutView:
    """What remains of a placeholder whose answer had to become a message of its own."""
    origin = job.origin
    link = f"https://discord.com/channels/{origin.guild_id}/{origin.channel_id}/{message_id}"
    return Card(SLATE, *_heading(job, f"✔️ **Answered further below:** {link}"))


def error_text(job: Job) -> str:
    """What a member is told about a job that was refused or failed."""
    if job.error is None:
        return f"Something went wrong on our side; reference {job.reference or job.id}."
    if job.reference is None or job.reference in job.error:
        return job.error
    return f"{job.error} Reference {job.reference}."


def used(job: Job) -> str:
    """One compact line of what a finished job was made with."""
    recipe = job.recipe
    seconds = "" if job.seconds is None else f"{job.seconds:.1f} s"
    asked = task_words(recipe.options)
    if not recipe.paints:
        return " · ".join(part for part in (asked, seconds) if part)
    model = escaped(recipe.model.rstrip("/").rpartition("/")[2], MAX_MODEL_SHOWN)
    parts = [
        asked,
        *([] if answers_once(recipe.model) else _numbers(job)),
        model,
        *(f"LoRA {escaped(use.name, MAX_MODEL_SHOWN)} {use.weight:g}" for use in recipe.loras),
        "colours matched" if recipe.match_colours else "",
        seconds,
    ]
    return " · ".join(part for part in parts if part)


def _numbers(job: Job) -> list[str]:
    """What steered the model beside the prompt; some may be empty."""
    recipe = job.recipe
    steps = recipe.steps_run if job.steps_run is None else job.steps_run
    return [
        _strength(recipe) if recipe.has_strength and not job.imagined else "",
        f"{steps} step{'' if steps == 1 else 's'}",
        f"guidance {recipe.guidance:g}",
        escaped(_scheduler(job), MAX_MODEL_SHOWN),
        _seeds(recipe),
    ]


def _scheduler(job: Job) -> str:
    """The one that ran, a model's own by its class; before that the one that was chosen."""
    ran = job.run.scheduler if job.run else job.recipe.scheduler or ""
    return ran.removesuffix("Scheduler")


def _strength(recipe: Recipe) -> str:
    if not recipe.strengths:
        return f"strength {recipe.strength:g}"
    return f"strengths {recipe.strengths[0]:g} to {recipe.strengths[-1]:g}"


def _seeds(recipe: Recipe) -> str:
    if recipe.seed_of(recipe.count - 1) == recipe.seed:
        return f"seed {recipe.seed}"
    if recipe.seed + recipe.count - 1 <= MAX_SEED:
        return f"seeds {recipe.seed}–{recipe.seed_of(recipe.count - 1)}"
    return f"{recipe.count} seeds from {recipe.seed}"


def wish_text(prompt: str, negative_prompt: str, *, task: str = "img2img") -> str:
    """What was asked for, made harmless and short enough for a card."""
    prompt = escaped(prompt, MAX_PROMPT_SHOWN)
    # Neither can begin a line, so neither can be a heading, a list or a quotation.
    wordless = "no prompt" if task == "img2img" else task
    text = f"🎨 **{prompt}**" if prompt else f"🎨 *{wordless}*"
    without = escaped(negative_prompt, MAX_NEGATIVE_SHOWN)
    return f"{text}\n-# without: {without}" if without else text


def _wish(job: Job) -> str:
    recipe = job.recipe
    return wish_text(recipe.prompt, recipe.negative_prompt, task=recipe.task)


def _heading(job: Job, line: str, *, quoting: bool = True) -> list[ui.Item[Any]]:
    asked = f"-# asked by <@{job.origin.user_id}>"
    about = f"{_wish(job)}\n{asked}" if quoting else asked
    return [ui.TextDisplay(line), ui.TextDisplay(about)]


def _small(job: Job, parcel: Parcel) -> list[str]:
    return [f"<@{job.origin.user_id}> · {used(job)}", *_told(job), *parcel.notes]


def _told(job: Job) -> list[str]:
    """What the engine says of how the pictures were made."""
    notes = job.run.notes if job.run else ()
    return [escaped(note, MAX_NOTE_SHOWN) for note in notes[:MAX_NOTES_SHOWN]]


def _rows(job: Job, refused: Collection[Action]) -> list[ui.ActionRow[Any]]:
    """What can be done with a result, as far as it means something."""
    return [*_rungs(job), *(_buttons(job, *row) for row in next_steps(job, refused))]


def _rungs(job: Job) -> Iterator[ui.ActionRow[Any]]:
    """A button for each picture of a ladder, SHEET_COLUMNS in a row like on its sheet."""
    strengths = job.recipe.strengths
    for start in range(0, len(strengths), SHEET_COLUMNS):
        row: ui.ActionRow[Any] = ui.ActionRow()
        for index in range(start, min(start + SHEET_COLUMNS, len(strengths))):
            row.add_item(JobButton(Action.RUNG, job.id, index, f"{strengths[index]:g}"))
        yield row


def _thumbnail(upload: Upload) -> ui.Thumbnail[Any]:
    return ui.Thumbnail(f"attachment://{upload.name}", description=upload.alt)


def _buttons(job: Job, *actions: Action) -> ui.ActionRow[Any]:
    return ui.ActionRow(*(JobButton(action, job.id) for action in actions))
