"""What a card says of tasks with two pictures, and what 🖌️ makes of any result's recipe."""

from typing import Any

import pytest

from bot.discord_ui.task_words import task_words
from bot.discord_ui.wish import Wish, inpainted
from bot.model import GuildPolicy
from inference.options import Blend, Inpaint, Style, TaskOptions
from inference.request import Recipe


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Inpaint(), "mask painted"),
        (Inpaint(invert=True, blur=0), "all but the mask painted, blur 0"),
        (Inpaint(area="masked", content="fill"), "padding 32, over its surroundings"),
        (Inpaint(content="noise"), "over noise"),
        (Blend(balance=0.25), "25 % of the other picture"),
        (Style(), "style 0.8"),
        (Style(keep="both", scale=1), "style and composition 1"),
    ],
)
def test_what_was_asked_for_is_said(options: TaskOptions, words: str) -> None:
    assert words in task_words(options)


@pytest.mark.parametrize(
    "values",
    [
        {"width": 256, "height": 192},
        {"match_colours": True},
        {"strengths": (0.2, 0.8)},
        {"negative_prompt": "fog", "steps": 4, "guidance": 1.5},
    ],
)
def test_what_is_painted_over_becomes_an_inpaint_of_the_pictures_own_size(
    values: dict[str, Any],
) -> None:
    parent = Recipe(prompt="a house", **values)
    wish = Wish(prompt="a door <lora:ink:0.5>", negative_prompt="", strength=0.7)
    recipe = inpainted(wish)(parent, GuildPolicy(guild_id=1))
    assert (recipe.task, recipe.options) == ("inpaint", Inpaint())
    assert (recipe.prompt, recipe.negative_prompt, recipe.strength) == ("a door", "", 0.7)
    assert [use.name for use in recipe.loras] == ["ink"]
    assert recipe.width is None and recipe.strengths == () and not recipe.match_colours
    assert (recipe.steps, recipe.guidance) == (parent.steps, parent.guidance)
