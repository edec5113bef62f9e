"""Tasks with a second picture by the real bot: /inpaint, 🖌️, /blend and /style."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.acceptance.stage import PATIENCE, SOURCE, Stage, gallery, photograph, pictures, pixels

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOX = (32, 24, 95, 71)
OTHER = ("other.png", photograph(96, 96))


def as_file(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def masked() -> tuple[Image.Image, np.ndarray]:
    """A mask with a white box, and where it is white."""
    mask = Image.new("L", (128, 96))
    ImageDraw.Draw(mask).rectangle(BOX, fill=255)
    return mask, np.asarray(mask) > 0


async def test_outside_the_mask_the_pixels_are_the_sources(stage: Stage) -> None:
    mask, inside = masked()
    source = Image.open(io.BytesIO(SOURCE[1])).convert("RGB")
    holed = source.convert("RGBA")
    holed.putalpha(Image.fromarray(np.where(inside, 0, 255).astype(np.uint8)))
    given = {"prompt": "a door", "steps": 4, "blur": 0}
    ada = stage.member("ada")
    for options in (
        {"image": SOURCE, "mask": ("mask.png", as_file(mask)), "area": "masked"},
        {"image": ("hole.png", as_file(holed))},
    ):
        card = await gallery(await (await ada.slash("studio", "inpaint", **given, **options)).ack())
        painted = np.asarray(pixels(pictures(card)[0]))
        assert np.array_equal(painted[~inside], np.asarray(source)[~inside])
        assert not np.array_equal(painted[inside], np.asarray(source)[inside])
        emojis = [one.emoji for one in card.buttons]
        assert {"🎲", "💪", "✏️", "🔁", "🖌️", "⚖️"} <= {*emojis}
        assert "🪜" not in emojis


async def test_a_mask_with_nothing_to_paint_is_said_in_the_card(stage: Stage) -> None:
    black = ("black.png", as_file(Image.new("L", (128, 96))))
    given = {"image": SOURCE, "prompt": "a door", "mask": black}
    asked = await (await stage.member("ada").slash("studio", "inpaint", **given)).ack()
    card = await asked.wait_for(lambda post: "The mask is all black" in post.text, PATIENCE)
    assert [one.emoji for one in card.buttons] == ["🎲", "✏️", "🗑️"]


async def test_a_result_is_painted_over_and_changes_only_there(stage: Stage) -> None:
    card = await stage.card(seed=5)
    before = pixels(pictures(card)[0])
    scribbled = before.copy()
    box = (before.width // 4, before.height // 4, before.width // 2, before.height // 2)
    ImageDraw.Draw(scribbled).rectangle(box, fill="magenta")
    ada = stage.member("ada")
    form = await ada.press(card, emoji="🖌️")
    values = {"prompt": "a door", "painted": ("edited.png", as_file(scribbled))}
    after = pixels(pictures(await gallery(await ada.submit(form, values)))[0])
    changed = np.asarray(before) != np.asarray(after)
    assert after.size == before.size
    assert changed[box[1] : box[3], box[0] : box[2]].any()
    assert not changed[box[3] + 16 :].any() and not changed[:, box[2] + 20 :].any()


async def test_killed_while_the_pictures_are_fetched_it_is_blended_all_the_same(
    stage: Stage,
) -> None:
    ada = stage.member("ada")
    stage.sandbox.weather.stall_attachment()
    asked = await (await ada.slash("studio", "blend", image=SOURCE, other=OTHER, steps=4)).ack()
    (row,) = stage.bot.rows(f"interaction_id = {asked.id}")
    await stage.bot.becomes(row["id"], status="received", source=None, second=None)
    await stage.bot.kill()
    stage.sandbox.weather.clear()
    await stage.bot.start()
    row = await stage.delivered(await gallery(asked), status="succeeded")
    assert row["source"] and row["second"]
    assert len(stage.answers(row["id"])) == 1


async def test_a_picture_is_painted_with_the_look_of_another(stage: Stage) -> None:
    asked = await stage.member("ada").slash("studio", "style", image=SOURCE, style=OTHER, steps=4)
    row = await stage.delivered(await gallery(asked), status="succeeded")
    assert row["recipe"]["model"] == "pocket", "the one with an image adapter"
