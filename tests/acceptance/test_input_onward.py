"""🔁, 🖌️ and ⬆️ where the picture was only calculated, or its model is offered no more."""

import io
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from input_studio import SOURCE, Studio, gallery, here, job_id, set_policy, studio, told
from PIL import Image

from bot.model import Job
from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox
from inference.options import Edit
from tests.model_folders import write_model

__all__ = ["here"]  # a fixture

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALONE = "ZImagePipeline"
EDITOR, TURBO = "night-editor", "ink-turbo"
FOLLOWS = "StableDiffusionInstructPix2PixPipeline"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The owner's folder."""
    folder = tmp_path_factory.mktemp("home") / "models"
    write_model(folder / EDITOR, kind=FOLLOWS)
    write_model(folder / TURBO)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(models: Path) -> AsyncIterator[Studio]:
    async with Sandbox() as sandbox, studio(sandbox, models.parent) as running:
        yield running


async def card_of(here: Studio, command: str, **options: Any) -> Post:
    asked = await here.sandbox.member("ada").slash("studio", command, image=SOURCE, **options)
    return await gallery(asked)


async def job_of(here: Studio, card: Post) -> Job:
    return await here.service.get(job_id(card))


@pytest.mark.parametrize("how", ["⬆️", "denoise"])
async def test_what_goes_on_from_a_calculated_picture_is_painted_as_suits_the_model(
    here: Studio, how: str
) -> None:
    ada = here.sandbox.member("ada")
    if how == "denoise":
        card, model = await card_of(here, how), "pocket"
    else:
        painted = await card_of(here, "reimagine", prompt="ink", model=TURBO)
        card, model = await gallery(await ada.press(painted, emoji=how)), TURBO
    await set_policy(here, default_steps=6, max_steps=10)
    onward = await ada.submit(await ada.press(card, emoji="🔁"), {"prompt": "in oil"})
    recipe = (await job_of(here, await gallery(onward))).recipe
    assert (recipe.task, recipe.model, recipe.prompt) == ("img2img", model, "in oil")
    assert (recipe.steps, recipe.guidance) == ((4, 1) if model == TURBO else (6, 2))


async def test_one_goes_on_from_a_picture_though_its_model_is_offered_no_more(
    here: Studio, models: Path
) -> None:
    write_model(models / "old-turbo")
    ada = here.sandbox.member("ada")
    card = await card_of(here, "reimagine", prompt="ink", model="old-turbo", strength=0.45)
    picture = (await job_of(here, card)).results[0]
    shutil.rmtree(models / "old-turbo")
    onward = await ada.submit(await ada.press(card, emoji="🔁"), {"prompt": "in oil"})
    child = await job_of(here, await gallery(onward))
    assert (child.recipe.task, child.recipe.model, child.source) == ("img2img", "pocket", picture)
    assert (child.recipe.strength, child.recipe.steps, child.recipe.guidance) == (0.45, 20, 2)
    larger = await job_of(here, await gallery(await ada.press(card, emoji="⬆️")))
    assert (larger.recipe.task, larger.recipe.model, larger.source) == (
        "upscale", "pocket", picture,
    )  # fmt: skip
    scribbled = Image.open(io.BytesIO(await here.images.get(picture))).convert("RGB")
    scribbled.paste((255, 0, 255), (20, 10, 40, 30))
    file = io.BytesIO()
    scribbled.save(file, "PNG")
    opened = await ada.press(card, emoji="🖌️")
    given = {"prompt": "a door", "painted": ("edited.png", file.getvalue())}
    child = await job_of(here, await gallery(await ada.submit(opened, given)))
    assert (child.recipe.task, child.recipe.model) == ("inpaint", "pocket")


async def test_the_next_instruction_goes_to_another_editor(here: Studio, models: Path) -> None:
    write_model(models / "old-editor", kind=FOLLOWS)
    ada = here.sandbox.member("ada")
    given = {"instruction": "make it night", "model": "old-editor", "image_guidance": 1.8}
    card = await card_of(here, "edit", **given)
    shutil.rmtree(models / "old-editor")
    onward = await ada.submit(await ada.press(card, emoji="🔁"), {"prompt": "add snow"})
    recipe = (await job_of(here, await gallery(onward))).recipe
    assert (recipe.task, recipe.model, recipe.strength) == ("edit", EDITOR, 1)
    assert recipe.options == Edit(image_guidance=1.8)


async def test_what_a_model_cannot_do_has_no_button_and_is_refused_where_one_is_left(
    here: Studio, models: Path
) -> None:
    def emojis(card: Post) -> set[str]:
        return {str(button.emoji) for button in card.buttons}

    write_model(models / "changing")
    old = await card_of(here, "reimagine", prompt="ink", model="changing")
    assert emojis(old) > {"🎭", "🖌️", "🪜"}
    write_model(models / "changing", kind=ALONE)
    new = await card_of(here, "reimagine", prompt="ink", model="changing")
    assert emojis(old) - emojis(new) == {"🎭", "🖌️"}
    pressed = await here.sandbox.member("ada").press(old, emoji="🎭")
    assert "draws its noise itself" in await told(here, pressed)
