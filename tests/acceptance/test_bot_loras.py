"""LoRAs in Discord: offered, asked for, shown, kept by buttons, changed in forms, refused."""

import json
from pathlib import Path

import pytest

from tests.acceptance.stage import SOURCE, Stage, gallery, pictures

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", autouse=True)
def loras(stage: Stage, tiny_models: Path) -> None:
    """Two for `tiny` and one for another kind of model, added while the bot runs."""
    from tests import tiny, tiny_adapters  # torch is loaded where it is needed

    folder = stage.bot.home / "models/loras"
    tiny_adapters.lora(folder / "ink.safetensors", tiny_models / "tiny", style="kohya")
    tiny_adapters.lora(folder / "soft chalk.safetensors", tiny_models / "tiny", seed=2)
    xl = tiny.sdxl(stage.bot.home.parent / "xl")
    tiny_adapters.lora(folder / "xl-ink.safetensors", xl, parts=("unet", "text_encoder_2"))


async def test_those_that_fit_are_offered(stage: Stage) -> None:
    ada = stage.member("ada")

    async def offered(typed: str, **filled: str) -> list[str]:
        found = await ada.autocomplete("studio", "reimagine", "lora", typed, **filled)
        assert all(one["name"] == one["value"] for one in found)
        return [one["value"] for one in found]

    assert await offered("") == ["ink", "soft chalk"]
    assert await offered("IN") == ["ink"]
    assert await offered("in:0.8") == ["ink:0.8"]
    assert await offered("", model="charcoal") == ["ink", "soft chalk"]
    assert await offered("", model="nothing like it") == []


async def test_it_is_used_shown_and_kept_by_a_reroll(stage: Stage) -> None:
    plain = await stage.card(seed=3)
    card = await stage.card(seed=3, lora="ink:0.8")
    assert "tiny · LoRA ink 0.8 · " in card.text
    assert pictures(card)[0].data != pictures(plain)[0].data
    versions = json.loads(stage.row(card)["run_versions"])
    assert len(versions["lora ink"]) == 16
    again = await gallery(await stage.member("ada").press(card, emoji="🎲"))
    assert stage.row(again)["recipe"]["loras"] == [{"name": "ink", "weight": 0.8}]
    assert "LoRA ink 0.8" in again.text


async def test_the_prompt_can_name_them_and_the_form_shows_them(stage: Stage) -> None:
    ada = stage.member("ada")
    card = await stage.card(prompt="a pier <lora:soft chalk:-1> <lora:ink:0.5>", seed=3)
    recipe = stage.row(card)["recipe"]
    assert recipe["prompt"] == "a pier"
    assert "LoRA ink 0.5 · LoRA soft chalk -1" in card.text
    opened = await ada.press(card, emoji="✏️")
    typed = (await opened.modal()).field("prompt").value
    assert typed == "a pier <lora:ink:0.5> <lora:soft chalk:-1>"
    less = await gallery(await ada.submit(opened, {"prompt": typed.replace("<lora:ink:0.5> ", "")}))
    assert stage.row(less)["recipe"]["loras"] == [{"name": "soft chalk", "weight": -1.0}]
    untouched = await gallery(await ada.submit(await ada.press(card, emoji="✏️"), {}))
    assert pictures(untouched)[0].data == pictures(card)[0].data


async def test_what_cannot_be_is_said_privately_and_leaves_no_row(stage: Stage) -> None:
    before = len(stage.bot.rows())
    for options, sentence in (
        ({"lora": "inc"}, "There is no LoRA “inc”; the nearest is “ink”"),
        ({"lora": "../tiny/unet"}, "cannot be the name of a LoRA"),
        ({"lora": "ink:3"}, "outside -2 to 2; the nearest allowed value is 2."),
        ({"lora": "ink", "prompt": "a pier <lora:ink:0.5>"}, "“ink” is asked for twice"),
        ({"lora": "xl-ink"}, "“xl-ink” was made for SDXL; the model “tiny” is Stable Diffusion."),
        ({"negative_prompt": "<lora:ink:1>"}, "LoRAs stand in the prompt."),
    ):
        asked = await stage.member("ada").slash(
            "studio", "reimagine", **{"image": SOURCE, "prompt": "a pier", **options}
        )
        assert sentence in await stage.told(asked)
    assert len(stage.bot.rows()) == before
