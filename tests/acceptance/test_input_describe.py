"""/describe and “What made this?”."""

import io
import json

import pytest
from input_studio import OTHER, SOURCE, Studio, card_of, everything, gallery, here, job_id, told
from PIL import Image, PngImagePlugin

from bot.sandbox.members import Interaction
from bot.sandbox.posts import Post

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

MENU = "What made this?"
A1111 = (
    "a castle @everyone\nNegative prompt: fog\n"
    "Steps: 18, Sampler: Euler a, CFG scale: 6.5, Seed: 99, Size: 64x48, Denoising strength: 0.45"
)


def foreign(**texts: str) -> tuple[str, bytes]:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "PNG", pnginfo=info)
    return "castle.png", buffer.getvalue()


async def answer(here: Studio, asked: Interaction) -> Post:
    await told(here, asked)
    (post,) = [one for one in here.sandbox.posts() if one.interaction_id == asked.record.id]
    return post


async def test_our_card_is_described_from_the_log_and_run_again(here: Studio) -> None:
    iris = here.sandbox.member("iris")
    card = await card_of(here, seed=77, strength=0.4)
    described = await answer(here, await iris.menu(card, MENU))
    assert described.ephemeral
    assert f"Job #{job_id(card)}" in described.text
    assert "seed 77" in described.text
    again = await gallery(await iris.press(described, label="Run it again"))
    job, first = await here.service.get(job_id(again)), await here.service.get(job_id(card))
    assert job.recipe == first.recipe
    assert (job.parent_id, job.source, job.results) == (first.id, first.source, first.results)
    assert job.origin.user_id == iris.id


async def test_our_picture_is_known_wherever_it_is_posted(here: Studio) -> None:
    card = await card_of(here, seed=78)
    job = await here.service.get(job_id(card))
    file = ("renamed.png", await here.images.get(job.results[0]))
    jun, iris = here.sandbox.member("jun"), here.sandbox.member("iris")
    assert f"Job #{job.id}" in await told(here, await jun.slash("studio", "describe", image=file))
    posted = await jun.send("studio", "found this", files=[SOURCE, file])
    text = await told(here, await iris.menu(posted, MENU))
    assert "does not say what made it" in text
    assert f"Job #{job.id}" in text


async def test_another_server_sees_what_the_file_says_and_no_job(here: Studio) -> None:
    job = await here.service.get(job_id(await card_of(here, seed=79, prompt="gouache")))
    file = ("ours.png", await here.images.get(job.results[0]))
    iris = here.sandbox.member("iris", "salon")
    text = await told(here, await iris.slash("atrium", "describe", image=file))
    assert "made with Palimpsest" in text
    assert "gouache" in text
    assert "seed 79" in text
    assert "Job #" not in text


async def test_a_picture_of_another_program_is_run_over_itself(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    asked = await ada.slash("studio", "describe", image=foreign(parameters=A1111))
    described = await answer(here, asked)
    assert "made with AUTOMATIC1111" in described.text
    assert "@everyone" not in described.text
    assert "Seeds go from" not in described.text
    again = await gallery(await ada.press(described, label="Run it over this picture"))
    recipe = (await here.service.get(job_id(again))).recipe
    assert (recipe.prompt, recipe.negative_prompt) == ("a castle @everyone", "fog")
    assert (recipe.seed, recipe.steps, recipe.guidance) == (99, 18, 6.5)
    assert (recipe.strength, recipe.scheduler) == (0.45, "euler-a")


async def test_a_seed_that_is_too_large_here_is_said_and_left_out(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    inputs = {"seed": 156680208700286, "steps": 20, "cfg": 8, "positive": "a", "negative": "b"}
    file = foreign(prompt=json.dumps({"3": {"inputs": inputs}}))
    described = await answer(here, await ada.slash("studio", "describe", image=file))
    assert "seed 156680208700286" in described.text
    assert "Seeds go from 0 to 4294967295 here" in described.text
    again = await gallery(await ada.press(described, label="Run it over this picture"))
    recipe = (await here.service.get(job_id(again))).recipe
    assert (recipe.steps, recipe.guidance) == (20, 8)
    assert recipe.seed != 156680208700286


async def test_what_cannot_be_run_again_here_is_refused_with_the_limit(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    graph = {"1": {"inputs": {"steps": 900, "cfg": 5, "positive": "a", "negative": "b"}}}
    file = foreign(prompt=json.dumps(graph))
    described = await answer(here, await ada.slash("studio", "describe", image=file))
    pressed = await ada.press(described, label="Run it over this picture")
    assert "Steps 900 is outside 1 to 150; the nearest allowed value is 150." in await told(
        here, pressed
    )


@pytest.mark.parametrize("file", [SOURCE, OTHER, foreign(parameters="no such form")])
async def test_a_picture_that_says_nothing(here: Studio, file: tuple[str, bytes]) -> None:
    jun = here.sandbox.member("jun")
    described = await answer(here, await jun.slash("studio", "describe", image=file))
    assert "does not say what made it" in described.text
    assert "exactly this file" in described.text
    assert described.buttons == ()


async def test_what_is_no_picture(here: Studio) -> None:
    jun = here.sandbox.member("jun")
    lies = ("lie.png", b"\x89PNG\r\n\x1a\nnothing of the kind")
    assert "no picture" in await told(here, await jun.slash("studio", "describe", image=lies))
    posted = await jun.send("studio", "just words")
    assert "no picture" in await told(here, await jun.menu(posted, MENU))
