"""Which buttons are under a result, and what its small line says."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.discord_ui import cards
from bot.discord_ui.next_steps import next_steps, once_more
from bot.discord_ui.task_words import task_words
from bot.discord_ui.uploads import Parcel
from bot.model import DeliveryState, Job, JobStatus, Origin, OriginKind, Run
from inference.options import (
    Denoise,
    Edit,
    Loopback,
    Outpaint,
    TaskOptions,
    Upscale,
    Variations,
)
from inference.request import TASKS, Recipe

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = Run(model="pocket", revision="1", scheduler="DDIMScheduler", batch_shape="", versions={})


def job(
    task: str = "img2img",
    options: TaskOptions | None = None,
    model: str = "pocket",
    **changes: Any,
) -> Job:
    recipe = Recipe(prompt="x", task=task, options=options, seed=4, model=model)
    unset = {field.name: None for field in dataclasses.fields(Job)}
    values = {
        "id": 7,
        "status": JobStatus.SUCCEEDED,
        "recipe": recipe,
        "origin": Origin(kind=OriginKind.COMMAND, guild_id=1, channel_id=2, user_id=3),
        "source": "s" * 64,
        "results": ("r" * 64,),
        "width": 256,
        "height": 192,
        "cost": 1.0,
        "attempts": 1,
        "delivery": DeliveryState.PENDING,
        "created_at": NOON,
        "run": RUN,
    }
    return Job(**(unset | values | changes))


def offered(of: Job) -> list[str]:
    return [action.value for row in next_steps(of) for action in row if action.value != "paint"]


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (
            job(),
            "reroll weaker stronger edit source upscale variations ladder compare delete",
        ),
        (job("sketch"), "reroll weaker stronger edit source upscale ladder compare delete"),
        (job("sketch", model="pix2pix-sketch"), "edit source upscale compare delete"),
        (job("loopback"), "reroll weaker stronger edit source upscale compare delete"),
        (job("edit"), "reroll edit source upscale compare delete"),
        (job("denoise"), "source upscale compare delete"),
        (job("upscale"), "source upscale compare delete"),
        (job("upscale", Upscale(creativity=0.2)), "reroll edit source upscale compare delete"),
        (job("upscale", width=4096), "source compare delete"),
        (job(source=None), "reroll edit source upscale variations delete"),
        (job("variations", source=None), "reroll edit source upscale delete"),
    ],
)
def test_only_buttons_that_mean_something(of: Job, expected: str) -> None:
    assert offered(of) == expected.split()


def test_a_model_without_strength_offers_none() -> None:
    plain = job(steps_run=20)
    told = dataclasses.replace(plain, recipe=plain.recipe.change(strength=1.0, graded=False))
    assert offered(told) == ["reroll", "edit", "source", "upscale", "compare", "delete"]
    assert "strength" not in cards.used(told)
    assert "strength" in cards.used(plain)


@pytest.mark.parametrize("task", TASKS)
def test_a_row_has_at_most_five_buttons(task: str) -> None:
    rows = next_steps(job(task, Outpaint(left=1) if task == "outpaint" else None))
    assert all(1 <= len(row) <= 5 for row in rows)


def test_what_ended_without_pictures_can_be_tried_again() -> None:
    assert once_more(job()) == ("reroll", "edit")
    assert once_more(job("denoise")) == ("again",)
    assert once_more(job(source=None, source_url="https://x.y/z.png")) == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Loopback(times=5), "5 times over"),
        (Variations(spread=0.05), "spread 5 %"),
        (Outpaint(left=0.25), "25 % more left"),
        (Outpaint(left=0.5, right=0.5), "50 % more left and right"),
        (Outpaint(top=0.1, bottom=0.3), "10 % more top, 30 % more bottom"),
        (Outpaint(left=1, top=1, right=1, bottom=1), "100 % more all around"),
        (Upscale(factor=4), "upscaled 4×"),
        (Upscale(creativity=0.3), "upscaled 2×, creativity 0.3"),
        (Denoise(), "noise estimated"),
        (Denoise(sigma=12.5), "noise 12.5"),
        (Edit(image_guidance=2), "image guidance 2"),
        (None, ""),
    ],
)
def test_the_tasks_own_options_in_few_words(options: TaskOptions | None, words: str) -> None:
    assert task_words(options) == words


def test_the_line_leaves_out_what_means_nothing() -> None:
    assert cards.used(job("denoise", steps_run=0, seconds=2.0)) == "noise estimated · 2.0 s"
    edited = cards.used(job("edit", steps_run=20))
    assert edited == "image guidance 1.5 · 20 steps · guidance 5 · DDIM · seed 4 · pocket"
    varied = job("variations")
    several = dataclasses.replace(varied, recipe=varied.recipe.change(count=4))
    assert "· seed 4 ·" in cards.used(several)


def test_what_the_engine_says_is_shown_harmless_and_short() -> None:
    notes = ("The noise is about *7*.", "x" * 500, *(f"note {number}" for number in range(9)))
    told = job("denoise", run=dataclasses.replace(RUN, notes=notes))
    small = "\n".join(
        item["content"]
        for item in cards.result(told, Parcel(pictures=())).to_components()[0]["components"]
        if item["type"] == 10
    )
    assert "-# The noise is about \\*7\\*." in small.splitlines()
    assert "x" * 300 not in small
    assert "note 1" in small
    assert "note 2" not in small
