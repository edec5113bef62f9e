"""What can be done with a result: the buttons that mean something for it."""

from collections.abc import Collection

from bot.discord_ui.buttons import Action
from bot.model import Job
from inference.catalog import answers_once
from inference.limits import MAX_SIDE
from inference.options import Upscale


def next_steps(job: Job, refused: Collection[Action] = ()) -> list[tuple[Action, ...]]:
    """The rows of buttons under a finished job's pictures, but for those of a ladder's steps.

    What paints the same again, what goes on from there, and what paints nothing.
    refused: what is left out, because the job's model cannot do it, see `Onward.refused`.
    """
    rows: list[tuple[Action, ...]]
    if job.recipe.strengths:
        rows = [(Action.REROLL, Action.EDIT, Action.SOURCE, Action.PAINT, Action.DELETE)]
    else:
        onward = (Action.SOURCE, Action.PAINT, *_larger(job), *_alike(job))
        rows = [_again(job), onward, _rest(job)]
    possible = [tuple(action for action in row if action not in refused) for row in rows]
    return [row for row in possible if row]


def _again(job: Job) -> tuple[Action, ...]:
    if not job.recipe.paints:  # it would come to the same
        return ()
    if answers_once(job.recipe.model):
        return (Action.EDIT,)
    # Over nothing there is nothing to keep more or less of.
    graded = job.recipe.has_strength and not job.imagined
    strength = (Action.WEAKER, Action.STRONGER) if graded else ()
    return (Action.REROLL, *strength, Action.EDIT)


def _larger(job: Job) -> tuple[Action, ...]:
    """⬆️, unless twice the size is beyond what pictures may have."""
    longest = max(job.width or 0, job.height or 0)
    return (Action.UPSCALE,) if longest * Upscale().factor <= MAX_SIDE else ()


def _alike(job: Job) -> tuple[Action, ...]:
    """What the same request makes with a little of it changed."""
    recipe = job.recipe
    if recipe.options is not None or not recipe.graded or answers_once(recipe.model):
        return ()
    varied = (Action.VARIATIONS,) if recipe.task == "img2img" else ()
    return varied if job.imagined else (*varied, Action.LADDER)


def _rest(job: Job) -> tuple[Action, ...]:
    return (Action.DELETE,) if job.imagined else (Action.COMPARE, Action.DELETE)


def once_more(job: Job) -> tuple[Action, ...]:
    """What can be done with a job that ended without pictures."""
    if not job.fetched:
        return ()
    return (Action.REROLL, Action.EDIT) if job.recipe.paints else (Action.AGAIN,)
