"""LoRAs in what members type and read."""

from dataclasses import replace

import pytest
from job_rows import job

from bot.discord_ui.cards import used
from bot.discord_ui.modals import edit_modal
from bot.discord_ui.options import lora_choices
from bot.discord_ui.wish import Wish, rerolled, stronger, weaker
from bot.model import GuildPolicy
from inference.errors import RequestError
from inference.loras import MAX_LORAS, MAX_NAME, LoraUse
from inference.model_info import ModelInfo
from inference.request import MAX_PROMPT, Recipe

POLICY = GuildPolicy(guild_id=1)
MODEL = ModelInfo(id="pocket", title="Pocket", location="/models/pocket")
INK, WASH = LoraUse(name="ink", weight=0.8), LoraUse(name="wash", weight=-1)
PARENT = Recipe(prompt="a pier", loras=(INK, WASH), strength=0.5)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["ink", "Ink wash", "chalk"]),
        ("INK", ["ink", "Ink wash"]),
        ("wash:0.5", ["Ink wash:0.5"]),
        ("ink:", []),
        ("oil", []),
    ],
)
def test_names_are_offered_with_the_weight_that_was_typed(typed: str, offered: list[str]) -> None:
    choices = lora_choices(["ink", "Ink wash", "chalk"], typed)
    assert [choice.value for choice in choices] == offered
    assert [choice.name for choice in choices] == offered


def test_at_most_25_are_offered() -> None:
    assert len(lora_choices([f"l{number}" for number in range(40)], "l")) == 25


def test_the_option_and_the_prompt_name_them_together() -> None:
    recipe = Wish(prompt="a pier <lora:wash:-1>", loras=(INK,)).fresh(POLICY, MODEL)
    assert (recipe.prompt, recipe.loras) == ("a pier", (INK, WASH))
    with pytest.raises(RequestError, match="“ink” is asked for twice"):
        Wish(prompt="a pier <lora:ink:1>", loras=(INK,)).fresh(POLICY, MODEL)
    with pytest.raises(RequestError, match="in the negative prompt has no meaning"):
        Wish(prompt="", negative_prompt="<lora:ink:1>").fresh(POLICY, MODEL)


def test_buttons_keep_them() -> None:
    for change in (rerolled, weaker, stronger):
        assert change(PARENT, POLICY).loras == PARENT.loras


def test_a_form_shows_them_in_the_prompt_and_what_is_taken_out_is_gone() -> None:
    one = replace(job(1, 7, "a pier"), recipe=PARENT)
    field = edit_modal(one).to_dict()["components"][0]["component"]
    assert field["value"] == "a pier <lora:ink:0.8> <lora:wash:-1>"
    assert Wish(prompt=field["value"]).over(PARENT).loras == PARENT.loras
    assert Wish(prompt="a pier <lora:ink:0.8>").over(PARENT).loras == (INK,)
    assert Wish(prompt="a pier").over(PARENT).loras == ()


def test_the_longest_prompt_with_the_longest_names_fits_its_field() -> None:
    names = (f"{number}{'x' * (MAX_NAME - 1)}" for number in range(MAX_LORAS))
    loras = tuple(LoraUse(name=name, weight=-0.123456789) for name in names)
    one = replace(job(1, 7, ""), recipe=Recipe(prompt="p" * MAX_PROMPT, loras=loras))
    field = edit_modal(one).to_dict()["components"][0]["component"]
    assert len(field["value"]) <= field["max_length"] <= 4000
    assert Wish(prompt=field["value"]).over(PARENT).loras == loras


def test_a_card_tells_them_harmlessly() -> None:
    loud = LoraUse(name="*loud* @here")
    one = replace(job(1, 7, "x"), recipe=PARENT.change(loras=(INK, loud)))
    assert "pocket · LoRA \\*loud\\* @\u200bhere 1 · LoRA ink 0.8" in used(one)
    assert "LoRA" not in used(job(1, 7, "x"))
