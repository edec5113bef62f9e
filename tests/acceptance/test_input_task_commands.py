"""/outpaint, /upscale, /denoise, /edit, /variations, loops, and the buttons ⬆️ and 🎭."""

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from input_studio import (
    SOURCE,
    Studio,
    all_jobs,
    gallery,
    here,
    job_id,
    plain_png,
    set_policy,
    studio,
    told,
)
from PIL import Image

from bot.model import Job
from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox
from inference.options import Denoise, Edit, Loopback, Outpaint, Upscale, Variations

__all__ = ["here"]  # a fixture

pytestmark = pytest.mark.asyncio(loop_scope="module")

EDITOR = "night-editor"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    """With a model that follows instructions in the owner's folder."""
    home: Path = tmp_path_factory.mktemp("home")
    folder = home / "models" / EDITOR
    folder.mkdir(parents=True)
    index = {"_class_name": "StableDiffusionInstructPix2PixPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index))
    async with Sandbox() as sandbox, studio(sandbox, home) as running:
        yield running


async def asked(here: Studio, command: str, **options: Any) -> Any:
    given = {"image": SOURCE} | options
    return await here.sandbox.member("ada").slash("studio", command, **given)


async def card_of(here: Studio, command: str, **options: Any) -> Post:
    return await gallery(await asked(here, command, **options))


async def job_of(here: Studio, card: Post) -> Job:
    return await here.service.get(job_id(card))


def actions(card: Post) -> list[str]:
    """What the buttons do, but for 🖌️."""
    named = [button.custom_id.split(":")[1] for button in card.buttons]
    return [name for name in named if name != "paint"]


@pytest.mark.parametrize(
    ("given", "options", "size"),
    [
        ({"direction": "left"}, Outpaint(left=0.25), (160, 96)),
        ({"direction": "down", "amount": 50}, Outpaint(bottom=0.5), (128, 144)),
        ({"direction": "sideways"}, Outpaint(left=0.25, right=0.25), (192, 96)),
        (
            {"direction": "all", "amount": 10},
            Outpaint(left=0.1, top=0.1, right=0.1, bottom=0.1),
            (154, 116),
        ),
    ],
)
async def test_outpainting_grows_by_shares_of_the_side(
    here: Studio, given: dict[str, Any], options: Outpaint, size: tuple[int, int]
) -> None:
    job = await job_of(here, await card_of(here, "outpaint", **given))
    assert (job.recipe.task, job.recipe.options, job.recipe.prompt) == ("outpaint", options, "")
    assert (job.width, job.height) == size
    assert job.recipe.strength == 0.95


async def test_outpainting_beyond_the_largest_size_says_what_fits(here: Studio) -> None:
    wide = ("wide.png", plain_png(2000, 600, 7))
    refused = await asked(here, "outpaint", image=wide, direction="sideways", amount=100)
    text = await told(here, refused)
    assert "would be 6000 pixels wide, and at most 4096 are allowed" in text
    assert text.endswith("it can grow by 2096 pixels, 104 %.")


async def test_a_usual_strength_keeps_to_what_the_server_allows(here: Studio) -> None:
    await set_policy(here, max_strength=0.8)
    job = await job_of(here, await card_of(here, "outpaint", direction="left"))
    assert job.recipe.strength == 0.8


async def test_upscaling_is_cheap_needs_no_words_and_minds_no_strength(here: Studio) -> None:
    await set_policy(here, min_strength=0.5, max_strength=0.6)
    card = await card_of(here, "upscale", factor=4)
    job = await job_of(here, card)
    assert (job.recipe.task, job.recipe.options) == ("upscale", Upscale(factor=4))
    assert (job.width, job.height, job.recipe.count) == (512, 384, 1)
    assert job.cost == pytest.approx(512 * 384 / 1e6)
    assert "upscaled 4×" in card.text
    for word in ("strength", "steps", "guidance", "seed"):
        assert word not in card.text
    assert actions(card) == ["source", "upscale", "compare", "delete"]


async def test_creativity_takes_the_model_and_costs_more(here: Studio) -> None:
    card = await card_of(here, "upscale", creativity=0.5, prompt="a harbour")
    job = await job_of(here, card)
    assert job.recipe.options == Upscale(creativity=0.5)
    assert job.cost > 10 * 256 * 192 / 1e6
    assert "upscaled 2×, creativity 0.5" in card.text
    assert actions(card)[0] == "reroll"


async def test_what_would_be_too_large_names_the_factor_that_fits(here: Studio) -> None:
    large = ("large.png", plain_png(2048, 2048, 7))
    refused = await asked(here, "upscale", image=large, factor=4)
    assert "at most 4096 are allowed; 2× fits" in await told(here, refused)


@pytest.mark.parametrize(("amount", "sigma"), [("auto", None), ("25", 25.0), ("12,5", 12.5)])
async def test_denoising_finds_the_noise_out_or_is_told(
    here: Studio, amount: str, sigma: float | None
) -> None:
    card = await card_of(here, "denoise", amount=amount)
    job = await job_of(here, card)
    assert (job.recipe.task, job.recipe.options) == ("denoise", Denoise(sigma=sigma))
    assert (job.width, job.height) == (128, 96)
    assert ("noise estimated" if sigma is None else f"noise {sigma:g}") in card.text
    # What the engine found out is said on the card, and harmless.
    assert "The noise is about 7 \\*of 255\\*." in card.text


@pytest.mark.parametrize("amount", ["much", "-1", "101", "nan"])
async def test_an_amount_of_noise_is_a_number_within_limits(here: Studio, amount: str) -> None:
    text = await told(here, await asked(here, "denoise", amount=amount))
    assert "neither “auto” nor a number from 0 to 100" in text or "outside 0 to 100" in text


async def test_an_edit_goes_to_the_owner_s_model_that_follows_instructions(here: Studio) -> None:
    card = await card_of(
        here, "edit", instruction="make it night", image_guidance=1.8, guidance=7.0
    )
    job = await job_of(here, card)
    recipe = job.recipe
    assert (recipe.task, recipe.model, recipe.prompt) == ("edit", EDITOR, "make it night")
    assert (recipe.options, recipe.guidance) == (Edit(image_guidance=1.8), 7)
    assert recipe.steps_run == recipe.steps  # no part of the schedule is left out
    assert "image guidance 1.8" in card.text
    assert "strength" not in card.text
    assert actions(card) == [
        "reroll", "edit", "source", "upscale", "compare", "delete",
    ]  # fmt: skip


async def test_an_edit_is_refused_before_anything_runs(here: Studio) -> None:
    text = await told(here, await asked(here, "edit", instruction="make it night", model="pocket"))
    assert (
        text == f"The model “pocket” does not follow instructions; choose pocket-edit or {EDITOR}."
    )
    choices = await here.sandbox.member("ada").autocomplete("studio", "edit", "model", "")
    assert [choice["value"] for choice in choices] == ["pocket-edit", EDITOR]


async def test_one_instruction_follows_another(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, "edit", instruction="make it night")
    opened = await ada.press(card, emoji="🔁")
    assert "strength" not in [field.custom_id for field in (await opened.modal()).fields]
    child = await job_of(here, await gallery(await ada.submit(opened, {"prompt": "add snow"})))
    assert (child.recipe.task, child.recipe.prompt) == ("edit", "add snow")
    assert child.source == (await job_of(here, card)).results[0]
    opened = await ada.press(card, emoji="✏️")
    assert "strength" not in [field.custom_id for field in (await opened.modal()).fields]


async def test_from_an_edit_within_a_mask_the_usual_model_goes_on(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    mask = ("mask.png", plain_png(128, 96, 0xFFFFFF))
    card = await card_of(here, "inpaint", prompt="make it night", mask=mask, model=EDITOR)
    parent = await job_of(here, card)
    assert (parent.recipe.task, parent.recipe.strength) == ("inpaint", 1)
    assert "strength" not in card.text
    opened = await ada.press(card, emoji="🔁")
    sent = await ada.submit(opened, {"prompt": "in oil", "strength": "0.5"})
    child = await job_of(here, await gallery(sent))
    recipe = child.recipe
    assert (recipe.task, recipe.model, recipe.strength) == ("img2img", "pocket", 0.5)
    assert recipe.has_strength
    assert child.source == parent.results[0]


@pytest.mark.parametrize("command", ["edit", "reimagine", "inpaint"])
async def test_an_editor_works_whatever_strengths_a_server_allows(
    here: Studio, command: str
) -> None:
    await set_policy(here, min_strength=0.2, default_strength=0.3, max_strength=0.4)
    what = "instruction" if command == "edit" else "prompt"
    given: dict[str, Any] = {what: "make it night", "model": EDITOR}
    if command == "inpaint":
        given["mask"] = ("mask.png", plain_png(128, 96, 0xFFFFFF))
    card = await card_of(here, command, **given)
    recipe = (await job_of(here, card)).recipe
    assert (recipe.model, recipe.strength, recipe.steps_run) == (EDITOR, 1, recipe.steps)
    assert "strength" not in card.text
    assert not {"weaker", "stronger", "ladder", "variations"} & {*actions(card)}


async def test_a_strength_for_an_editor_is_refused_and_leaves_no_row(here: Studio) -> None:
    before = len(await all_jobs(here))
    given = {"prompt": "make it night", "model": EDITOR, "strength": 0.4}
    text = await told(here, await asked(here, "reimagine", **given))
    assert text == (
        f"The model “{EDITOR}” edits as the prompt says and has no strength such as 0.4; "
        "leave it out or at 1, or give 0 to get the source back."
    )
    assert len(await all_jobs(here)) == before


async def test_loops_and_matched_colours(here: Studio) -> None:
    card = await card_of(here, "reimagine", prompt="ink", loops=4, match_colours=True)
    job = await job_of(here, card)
    assert (job.recipe.task, job.recipe.options) == ("loopback", Loopback(times=4))
    assert job.recipe.match_colours
    assert "4 times over" in card.text
    assert "colours matched" in card.text
    assert "ladder" not in actions(card)
    plain = await job_of(here, await card_of(here, "reimagine", prompt="ink"))
    assert (plain.recipe.task, plain.recipe.match_colours) == ("img2img", False)
    assert job.cost > 3 * plain.cost


async def test_variations_of_a_prompt(here: Studio) -> None:
    card = await card_of(here, "variations", prompt="ink", spread=0.25, count=3, seed=9)
    job = await job_of(here, card)
    assert (job.recipe.task, job.recipe.options) == ("variations", Variations(spread=0.25))
    assert (len(job.results), job.recipe.seed) == (3, 9)
    second = Image.open(io.BytesIO(await here.images.get(job.results[1])))
    made_by = json.loads(second.text["palimpsest"])["recipe"]
    assert (made_by["count"], made_by["options"]) == (1, {"spread": 0.25, "index": 1})
    assert "spread 25 %" in card.text
    assert "seed 9 " in card.text


async def test_the_masks_are_variations_near_the_one_picture(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, "reimagine", prompt="ink", seed=5, strength=0.4)
    near = await gallery(await ada.press(card, emoji="🎭"))
    parent, child = await job_of(here, card), await job_of(here, near)
    assert child.recipe == parent.recipe.change(task="variations", options=Variations(), count=4)
    assert (child.source, child.parent_id) == (parent.source, parent.id)
    other = await job_of(here, await gallery(await ada.press(near, emoji="🎲")))
    assert other.recipe == child.recipe.change(options=Variations(index=4))


async def test_the_masks_ask_which_of_several_and_keep_to_the_servers_count(here: Studio) -> None:
    await set_policy(here, max_count=3)
    ada = here.sandbox.member("ada")
    card = await card_of(here, "reimagine", prompt="ink", seed=5, count=2)
    opened = await ada.press(card, emoji="🎭")
    assert (await opened.modal()).field("picture").options == ("0", "1")
    child = await job_of(here, await gallery(await ada.submit(opened, {"picture": ["1"]})))
    assert (child.recipe.seed, child.recipe.count, child.recipe.task) == (6, 3, "variations")


async def test_the_arrow_makes_a_result_larger(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, "reimagine", prompt="ink")
    larger = await job_of(here, await gallery(await ada.press(card, emoji="⬆️")))
    parent = await job_of(here, card)
    assert (larger.recipe.task, larger.recipe.options) == ("upscale", Upscale())
    assert larger.source == parent.results[0]
    assert (larger.width, larger.height) == (128, 96)  # the painter's are 64×48
    assert larger.recipe.prompt == ""  # nothing is painted by it


async def test_the_arrow_asks_which_of_several(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, "reimagine", prompt="ink", count=3)
    opened = await ada.press(card, emoji="⬆️")
    assert [field.custom_id for field in (await opened.modal()).fields] == ["picture"]
    larger = await job_of(here, await gallery(await ada.submit(opened, {"picture": ["2"]})))
    assert larger.source == (await job_of(here, card)).results[2]
    assert larger.recipe.count == 1
    iris = await here.sandbox.member("iris").press(card, emoji="⬆️")
    assert "who asked for the picture" in await told(here, iris)


async def test_an_imagined_picture_has_variations(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await gallery(await ada.slash("studio", "imagine", prompt="a mill", seed=5))
    child = await job_of(here, near := await gallery(await ada.press(card, emoji="🎭")))
    parent = await job_of(here, card)
    assert child.imagined
    assert child.recipe == parent.recipe.change(task="variations", options=Variations(), count=4)
    assert actions(near) == ["reroll", "edit", "source", "upscale", "delete"]


async def test_an_imagined_picture_becomes_larger_too(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    asked_for = await ada.slash("studio", "imagine", prompt="a mill", size="wide 16:9")
    larger = await job_of(here, await gallery(await ada.press(await gallery(asked_for), emoji="⬆️")))
    assert (larger.width, larger.height) == (128, 96)
    assert larger.recipe.width is None


@pytest.mark.parametrize(
    ("command", "options"),
    [("upscale", {}), ("denoise", {}), ("outpaint", {"direction": "up"})],
)
async def test_image_to_image_goes_on_from_these(
    here: Studio, command: str, options: dict[str, Any]
) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, command, **options)
    opened = await ada.press(card, emoji="🔁")
    sent = await ada.submit(opened, {"prompt": "in oil", "strength": "0.5"})
    child, parent = await job_of(here, await gallery(sent)), await job_of(here, card)
    assert child.source == parent.results[0]
    assert (child.recipe.task, child.recipe.options, child.recipe.strength) == (
        "img2img",
        None,
        0.5,
    )


async def test_words_may_stay_away_in_the_form_of_a_task_that_needs_none(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    card = await card_of(here, "outpaint", direction="up", seed=1)
    opened = await ada.press(card, emoji="✏️")
    child = await job_of(here, await gallery(await ada.submit(opened, {"seed": "2"})))
    assert child.recipe == (await job_of(here, card)).recipe.change(seed=2)


async def test_a_large_noisy_result_is_made_to_fit(here: Studio) -> None:
    noise = np.random.default_rng(0).integers(100, 160, (1024, 1024, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.tile(noise, (4, 4, 1))).save(buffer, "PNG", compress_level=1)
    assert len(buffer.getvalue()) > 10 * 2**20
    here.painter.result = buffer.getvalue(), (4096, 4096)
    try:
        card = await card_of(here, "upscale", image=("large.png", plain_png(2048, 2048, 7)))
    finally:
        here.painter.result = None
    (item,) = card.gallery
    assert "Sent as WebP at quality 95" in card.text
    job = await job_of(here, card)
    assert (job.width, job.height) == (4096, 4096)
    assert actions(card) == ["source", "compare", "delete"]
    assert item is not None
