"""Presets: chosen, listed, saved and removed."""

from typing import Any

import pytest
from input_studio import Studio, card_of, everything, gallery, here, job_id, told

from inference.presets import BUILT_IN
from inference.request import Recipe

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def recipe_of(here: Studio, **options: Any) -> Recipe:
    return (await here.service.get(job_id(await card_of(here, **options)))).recipe


async def manage(here: Studio, command: str, **options: Any) -> str:
    asked = await here.sandbox.member("ada").slash("studio", f"palimpsest {command}", **options)
    return await told(here, asked)


async def test_a_built_in_preset_gives_words_and_strength(here: Studio) -> None:
    recipe = await recipe_of(here, prompt="a mill", preset="Pixel Art")
    (pixel,) = [preset for preset in BUILT_IN if preset.name == "pixel art"]
    assert recipe.prompt == f"pixel art of a mill, {pixel.suffix}"
    assert recipe.negative_prompt == pixel.negative_prompt
    assert recipe.strength == pixel.strength


async def test_what_a_member_gives_goes_first(here: Studio) -> None:
    recipe = await recipe_of(here, preset="ink", strength=0.3, negative_prompt="birds")
    assert recipe.strength == 0.3
    assert recipe.negative_prompt.startswith("birds, ")


async def test_imagine_takes_one_too_and_stays_at_strength_1(here: Studio) -> None:
    asked = await here.sandbox.member("jun").slash(
        "studio", "imagine", prompt="a mill", preset="oil"
    )
    recipe = (await here.service.get(job_id(await gallery(asked)))).recipe
    assert recipe.prompt.startswith("oil painting of a mill")
    assert recipe.strength == 1


async def test_a_server_saves_replaces_and_removes_its_own(here: Studio) -> None:
    text = await manage(here, "save_preset", name="House Style", suffix="gouache", strength=0.42)
    assert "house style" in text
    recipe = await recipe_of(here, prompt="a mill", preset="house style")
    assert (recipe.prompt, recipe.strength) == ("a mill, gouache", 0.42)
    await manage(here, "save_preset", name="house style", prefix="chalk", guidance=2)
    recipe = await recipe_of(here, prompt="a mill", preset="house style", strength=0.5)
    assert (recipe.prompt, recipe.guidance) == ("chalk a mill", 2)
    jun = here.sandbox.member("jun")
    offered = await jun.autocomplete("studio", "reimagine", "preset", "style")
    assert [choice["value"] for choice in offered] == ["house style"]
    assert "house style" in await told(here, await jun.slash("studio", "presets"))
    assert "is removed" in await manage(here, "remove_preset", name="House style")
    assert "none of this server" in await manage(here, "remove_preset", name="house style")


async def test_another_server_does_not_see_them(here: Studio) -> None:
    await manage(here, "save_preset", name="secret", suffix="gouache")
    iris = here.sandbox.member("iris", "salon")
    text = await told(here, await iris.slash("atrium", "presets"))
    assert "secret" not in text
    assert "watercolour" in text
    await manage(here, "remove_preset", name="secret")


async def test_a_built_in_one_can_be_replaced_and_comes_back(here: Studio) -> None:
    await manage(here, "save_preset", name="ink", prefix="sumi-e of")
    assert (await recipe_of(here, prompt="a mill", preset="ink")).prompt == "sumi-e of a mill"
    await manage(here, "remove_preset", name="ink")
    assert "is built in" in await manage(here, "remove_preset", name="ink")
    recipe = await recipe_of(here, prompt="a mill", preset="ink")
    assert recipe.prompt.startswith("ink drawing of a mill")


async def test_an_unknown_one_is_refused_with_the_nearest(here: Studio) -> None:
    asked = await here.sandbox.member("jun").slash(
        "studio", "imagine", prompt="a mill", preset="watercolor"
    )
    assert "watercolour" in await told(here, asked)


async def test_one_without_a_name_or_with_too_much_is_refused(here: Studio) -> None:
    assert "1 to 40" in await manage(here, "save_preset", name=" ")


async def test_only_managers_save(here: Studio) -> None:
    assert "palimpsest save_preset" not in here.sandbox.member("iris").commands("studio")
