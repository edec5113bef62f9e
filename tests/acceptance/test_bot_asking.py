"""/reimagine, asked of the real bot: every option, every kind of file, every sentence."""

import io
import itertools
import re

import pytest
from PIL import Image, ImageChops
from simcord import SetupError

from inference.sizes import result_size
from tests.acceptance.stage import (
    SOURCE,
    Stage,
    gallery,
    job_id,
    photograph,
    pictures,
    pixels,
)
from tests.hostile.build import IEND, chunk, png_header

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDE = png_header(30_000, 30_000) + chunk(b"IDAT", b"x") + IEND


async def test_every_option_is_used_and_shown(stage: Stage) -> None:
    asked = await stage.ask(
        prompt="a harbour in ink",
        strength=0.35,
        negative_prompt="fog",
        steps=8,
        guidance=4,
        seed=7,
        count=2,
        model="charcoal",
    )
    assert asked.kind == "deferred"
    card = await gallery(asked)
    assert not card.ephemeral
    assert "a harbour in ink" in card.text
    assert "without: fog" in card.text
    line = next(one for one in card.text.splitlines() if "strength" in one)
    assert line.startswith(f"-# <@{stage.member('ada').id}> · strength 0.35 · 2 steps")
    assert re.search(r"guidance 4 · .*seeds 7–8 · charcoal · [0-9.]+ s$", line)
    actions = ["🎲", "💪", "💪", "✏️", "🔁", "🖌️", "⬆️", "🎭", "🪜", "⚖️", "🗑️"]
    assert [one.emoji for one in card.buttons] == actions
    shown = pictures(card)
    assert [one.description for one in shown] == [
        f"Picture {number} of 2: a harbour in ink" for number in (1, 2)
    ]
    assert {pixels(one).size for one in shown} == {result_size(128, 96, 64 * 64)}
    assert len(card.media) == 3  # and the source
    row = await stage.delivered(card, status="succeeded")
    assert (row["message_id"], row["run_model"]) == (card.id, "charcoal")
    assert row["run_versions"] and row["run_revision"] and row["run_batch_shape"]


async def test_the_same_request_gives_the_same_bits(stage: Stage) -> None:
    both = await stage.card(seed=7, count=2)
    first, second = (one.data for one in pictures(both))
    again = await stage.card(seed=8)
    assert first != second
    assert pictures(again)[0].data == second
    other = await stage.card(seed=8, model="charcoal")
    assert pictures(other)[0].data != second


async def test_strength_0_gives_the_source_back(stage: Stage) -> None:
    card = await stage.card(image=("same.png", photograph(64, 64)), strength=0.0)
    source = Image.open(io.BytesIO(photograph(64, 64))).convert("RGB")
    assert ImageChops.difference(pixels(pictures(card)[0]), source).getbbox() is None
    assert "0 steps" in card.text


async def test_what_can_be_chosen_is_offered(stage: Stage) -> None:
    ada = stage.member("ada")
    bands = await ada.autocomplete("studio", "reimagine", "strength", "b")
    assert [(one["name"], one["value"]) for one in bands] == [
        ("balanced (0.6)", 0.6),
        ("bold (0.75)", 0.75),
    ]
    models = await ada.autocomplete("studio", "reimagine", "model", "")
    names = [one["value"] for one in models]
    assert names == ["tiny", "pocket", "pix2pix-color", "pix2pix-sketch", "pocket-edit", "charcoal"]
    assert await ada.autocomplete("studio", "reimagine", "model", "char") == models[5:]


async def test_what_is_outside_of_a_range_cannot_be_typed(stage: Stage) -> None:
    before = len(stage.bot.rows())
    for options in (
        {"strength": 1.5},
        {"strength": -0.1},
        {"steps": 0},
        {"steps": 151},
        {"guidance": 31.0},
        {"seed": -1},
        {"seed": 2**32},
        {"count": 11},
        {"prompt": ""},
        {"prompt": "x" * 2001},
    ):
        with pytest.raises(SetupError):
            await stage.ask(**options)
    assert len(stage.bot.rows()) == before


async def test_an_unknown_model_is_told_with_the_nearest(stage: Stage) -> None:
    text = await stage.told(await stage.ask(model="charcaol"))
    assert text == "There is no model “charcaol”; the nearest is charcoal."


async def test_hostile_files_are_a_sentence_for_who_sent_them(stage: Stage) -> None:
    whole = photograph()
    for name, data, sentence in (
        ("page.png", b"<!doctype html><script>alert(1)</script>" * 40, "picture"),
        ("vector.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 9, "picture"),
        ("cut.png", whole[: len(whole) // 2], "damaged or cut off"),
        ("wide.png", WIDE, "900 megapixels; at most 50 megapixels are allowed"),
        ("nothing.png", b"\0", "picture"),
    ):
        asked = await stage.ask(image=(name, data))
        text = await stage.told(asked)
        assert sentence in text, (name, text)
        assert text.endswith("."), (name, text)
        assert "reference" not in text.lower()
        (row,) = stage.bot.rows(f"interaction_id = {asked.id}")
        assert (row["status"], row["error"]) == ("failed", text)


async def test_unusual_pictures_are_pictures(stage: Stage) -> None:
    frames = [Image.new("RGB", (80, 40), colour) for colour in ("red", "blue")]
    animated = io.BytesIO()
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    ink = io.BytesIO()
    Image.new("CMYK", (40, 80), (10, 90, 30, 0)).save(ink, "JPEG")
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn, as phones store upright photographs
    for name, data, wide in (
        ("wave.gif", animated.getvalue(), True),
        ("ink.jpg", ink.getvalue(), False),
        ("phone.jpg", photograph(96, 48, "JPEG", exif=turned), False),
        ("wrong-name.png", photograph(96, 48, "WEBP"), True),
    ):
        (picture,) = pictures(await stage.card(image=(name, data)))
        width, height = pixels(picture).size
        assert (width > height) is wide, name


async def test_a_prompt_mentions_nobody_and_breaks_nothing(stage: Stage) -> None:
    iris = stage.member("iris")
    wild = f"@everyone @here <@{iris.id}> <@&1> <#2> **bold** `x` ||y|| [a](http://b) \\ # z"
    card = await stage.card(prompt=wild, negative_prompt="\n# big\n> quote @everyone")
    assert "@everyone" not in card.text
    assert "@here" not in card.text
    assert f"<@{iris.id}>" not in card.text
    assert "**bold**" not in card.text
    assert "](http" not in card.text
    assert not re.search(r"^(#|>)", card.text, re.MULTILINE)
    assert {one["id"] for one in card.raw["mentions"]} <= {str(stage.member("ada").id)}
    assert card.raw["mention_everyone"] is False
    bodies = [one.json for one in stage.sandbox.requests if isinstance(one.json, dict)]
    inner = [one.get("data") if "data" in one else one for one in bodies]
    sent = [one for one in inner if one and ("content" in one or "components" in one)]
    assert sent
    assert all(one["allowed_mentions"]["parse"] == [] for one in sent)
    assert not any(one["allowed_mentions"].get("users") for one in sent)


async def test_the_longest_prompts_and_the_most_pictures_fit_on_a_card(stage: Stage) -> None:
    async with stage.rules(max_count=10):
        card = await stage.card(
            prompt="*" * 2000, negative_prompt="_" * 2000, count=10, steps=1, strength=1.0
        )
    assert len(card.gallery) == 10
    assert len({one.data for one in pictures(card)}) == 10
    assert sum(len(part) for part in card.text.splitlines()) <= 4000


async def test_the_card_is_one_message_that_follows_the_job(stage: Stage) -> None:
    before = len(stage.sandbox.posts("gallery"))
    with stage.bot.frozen():
        asked = await stage.ask(channel="gallery", image=SOURCE, steps=50, count=2)
        waits = await asked.wait_for(lambda post: "Starting" in post.text)
        assert [one.emoji for one in waits.buttons] == ["✖️"]
    card = await gallery(asked)
    assert card.id == waits.id
    assert job_id(card) == job_id(waits)
    assert len(stage.sandbox.posts("gallery")) == before + 1
    shows_progress = card.edited_at[:-1]  # the last edit is the delivery, which never waits
    gaps = [later - earlier for earlier, later in itertools.pairwise(shows_progress)]
    assert all(gap >= 2.9 for gap in gaps), gaps
