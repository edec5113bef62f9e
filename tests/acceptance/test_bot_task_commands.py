"""The real bot with a real model: a task's pictures in Discord, their sizes and their cards."""

import io
from typing import Any

import pytest
from PIL import Image, ImageChops

from bot.sandbox.posts import Post
from tests.acceptance.stage import SOURCE, Stage, gallery, pictures

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def card_of(stage: Stage, command: str, **options: Any) -> Post:
    given = {"image": SOURCE} | options
    return await gallery(await stage.member("ada").slash("studio", command, **given))


def shown(card: Post) -> list[Image.Image]:
    return [Image.open(io.BytesIO(one.data)).convert("RGB") for one in pictures(card)]


async def test_outpainting_leaves_the_picture_where_it_was(stage: Stage) -> None:
    (picture,) = shown(await card_of(stage, "outpaint", direction="left", steps=2))
    assert picture.size == (160, 96)
    source = Image.open(io.BytesIO(SOURCE[1])).convert("RGB")
    assert ImageChops.difference(picture.crop((32, 0, 160, 96)), source).getbbox() is None


async def test_larger_and_larger(stage: Stage) -> None:
    card = await card_of(stage, "upscale")
    assert shown(card)[0].size == (256, 192)
    again = await gallery(await stage.member("ada").press(card, emoji="⬆️"))
    assert shown(again)[0].size == (512, 384)
    assert "did nothing" not in again.text


async def test_denoising_says_what_it_found(stage: Stage) -> None:
    card = await card_of(stage, "denoise")
    assert shown(card)[0].size == (128, 96)
    assert "noise estimated" in card.text
    assert "-# " in card.text.split("noise estimated", 1)[1]  # the engine's own sentence


async def test_variations_are_near_the_picture_and_differ(stage: Stage) -> None:
    card = await stage.card(seed=3, strength=1, steps=4)
    near = await gallery(await stage.member("ada").press(card, emoji="🎭"))
    found = {picture.tobytes() for picture in shown(near)}
    assert len(found) == 4
    assert shown(card)[0].tobytes() not in found


async def test_loops_with_matched_colours(stage: Stage) -> None:
    card = await stage.card(seed=3, steps=4, loops=2, match_colours=True)
    plain = await stage.card(seed=3, steps=4)
    assert shown(card)[0].tobytes() != shown(plain)[0].tobytes()
    assert "2 times over" in card.text


async def test_an_instruction_is_followed_by_the_embedded_editor(stage: Stage) -> None:
    card = await card_of(stage, "edit", instruction="turn the sketch into a photo", steps=4)
    row = await stage.delivered(card, status="succeeded")
    assert row["recipe"]["model"] == "pocket-edit"
    width, height = shown(card)[0].size
    assert (round(width / height, 1), width * height <= 256 * 256) == (1.3, True), "its own size"
