"""/inpaint, /blend and /style, and 🖌️: what reaches the model, what stays, and what is refused."""

import io

import numpy as np
import pytest
from input_studio import OTHER, SOURCE, Studio, everything, gallery, here, job_id, set_policy, told
from PIL import Image, ImageDraw

from bot.model import Job
from bot.sandbox.members import Interaction
from bot.sandbox.posts import Post
from inference.options import Blend, Inpaint, Style

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOX = (16, 8, 47, 31)


def as_file(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def white_box(mode: str = "L") -> Image.Image:
    mask = Image.new(mode, (128, 96))
    ImageDraw.Draw(mask).rectangle(BOX, fill="white")
    return mask


def with_hole() -> Image.Image:
    picture = Image.open(io.BytesIO(SOURCE[1])).convert("RGBA")
    picture.putalpha(white_box().point(lambda level: 255 - level))
    return picture


def same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


OPAQUE = ("opaque.png", as_file(Image.new("RGBA", (32, 32), "navy")))


async def asked(here: Studio, command: str, **options: object) -> Interaction:
    return await here.sandbox.member("ada").slash("studio", command, image=SOURCE, **options)


async def job_of(here: Studio, card: Post) -> Job:
    return await here.service.get(job_id(card))


async def test_a_mask_is_sent_beside_the_picture(here: Studio) -> None:
    mask = ("mask.png", as_file(white_box()))
    card = await gallery(
        await asked(here, "inpaint", prompt="a door", mask=mask, area="masked", padding=16, blur=0)
    )
    job = await job_of(here, card)
    assert job.recipe.task == "inpaint"
    assert job.recipe.strength == 0.9
    assert job.recipe.options == Inpaint(area="masked", padding=16, blur=0)
    assert (job.width, job.height) == (128, 96)
    request = here.painter.requests[job.id]
    assert opened(request.image).mode == "RGB"
    assert same(opened(request.second).convert("L"), white_box())
    assert "mask painted, padding 16, blur 0" in card.text


async def test_transparent_parts_are_a_mask_of_the_picture_and_of_a_mask(here: Studio) -> None:
    holed = ("hole.png", as_file(with_hole()))
    ada = here.sandbox.member("ada")
    card = await gallery(await ada.slash("studio", "inpaint", image=holed, prompt="a door"))
    job = await job_of(here, card)
    request = here.painter.requests[job.id]
    assert request.second is None
    assert same(opened(request.image).getchannel("A"), with_hole().getchannel("A"))
    card = await gallery(await asked(here, "inpaint", prompt="a door", mask=holed))
    request = here.painter.requests[job_id(card)]
    assert same(opened(request.second).getchannel("A"), with_hole().getchannel("A"))


async def test_other_tasks_see_no_transparency(here: Studio) -> None:
    holed = ("hole.png", as_file(with_hole()))
    ada = here.sandbox.member("ada")
    card = await gallery(await ada.slash("studio", "reimagine", image=holed, prompt="a door"))
    assert opened(here.painter.requests[job_id(card)].image).mode == "RGB"
    assert "Transparent parts become white." in card.text


@pytest.mark.parametrize("opaque", [SOURCE, OPAQUE])
async def test_without_a_mask_the_member_is_told_how_to_give_one(
    here: Studio, opaque: tuple[str, bytes]
) -> None:
    ada = here.sandbox.member("ada")
    refused = await ada.slash("studio", "inpaint", image=opaque, prompt="a door")
    assert "needs to know where to paint" in await told(here, refused)


async def test_padding_without_a_masked_part_is_refused(here: Studio) -> None:
    mask = ("mask.png", as_file(white_box()))
    refused = await asked(here, "inpaint", prompt="a door", mask=mask, padding=16)
    assert "choose the masked part as area" in await told(here, refused)


async def test_the_second_picture_is_checked_like_the_first(here: Studio) -> None:
    refused = await asked(here, "inpaint", prompt="x", mask=("mask.png", b"no picture"))
    assert "are accepted" in await told(here, refused)


async def test_what_is_made_again_keeps_both_pictures(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    mask = ("mask.png", as_file(white_box()))
    card = await gallery(await asked(here, "inpaint", prompt="a door", mask=mask, strength=0.5))
    parent = await job_of(here, card)
    opened_form = await ada.press(card, emoji="✏️")
    for again in (
        await ada.press(card, emoji="🎲"),
        await ada.press(card, custom_id="palimpsest:stronger"),
        await ada.submit(opened_form, {"prompt": "a window"}),
    ):
        child = await job_of(here, await gallery(again))
        assert (child.source, child.second) == (parent.source, parent.second)
        assert (child.recipe.task, child.recipe.options) == ("inpaint", parent.recipe.options)
        assert here.painter.requests[child.id].second is not None
    assert child.recipe.prompt == "a window"


async def test_one_goes_on_from_a_masked_picture_by_image_to_image(here: Studio) -> None:
    ada = here.sandbox.member("ada")
    mask = ("mask.png", as_file(white_box()))
    card = await gallery(await asked(here, "inpaint", prompt="a door", mask=mask))
    sent = await ada.submit(await ada.press(card, emoji="🔁"), {"prompt": "oil"})
    child = await job_of(here, await gallery(sent))
    assert (child.recipe.task, child.second) == ("img2img", None)
    assert child.source == (await job_of(here, card)).results[0]
    assert "🪜" not in [one.emoji for one in card.buttons]


async def painted_over(here: Studio, card: Post, **values: object) -> Interaction:
    ada = here.sandbox.member("ada")
    form = await ada.press(card, emoji="🖌️")
    return await ada.submit(form, {"prompt": "a door", **values})


async def test_a_result_comes_back_painted_over(here: Studio) -> None:
    card = await gallery(await asked(here, "reimagine", prompt="a house", count=2, strength=0.5))
    parent = await job_of(here, card)
    scribbled = opened(await here.images.get(parent.results[1])).convert("RGB")
    ImageDraw.Draw(scribbled).rectangle((20, 10, 40, 30), fill="magenta")
    file = ("edited.jpg", as_file(scribbled.resize((128, 96)), "JPEG", quality=85))
    sent = await painted_over(here, card, picture=["1"], painted=file)
    child = await job_of(here, await gallery(sent))
    assert (child.source, child.parent_id) == (parent.results[1], parent.id)
    assert (child.recipe.task, child.recipe.strength) == ("inpaint", 0.9)
    assert child.recipe.prompt == "a door"
    mask = np.asarray(opened(here.painter.requests[child.id].second))
    assert mask.shape == (48, 64)
    assert mask[12:29, 22:39].all()
    assert not mask[:, 48:].any() and not mask[38:].any()
    again = await here.sandbox.member("ada").press(await gallery(sent), emoji="🎲")
    assert (await job_of(here, await gallery(again))).second == child.second


async def test_what_is_rubbed_out_of_a_result_is_painted_too(here: Studio) -> None:
    card = await gallery(await asked(here, "sketch", prompt="a house"))
    original = opened(await here.images.get((await job_of(here, card)).results[0]))
    rubbed = original.convert("RGBA")
    rubbed.paste((0, 0, 0, 0), (0, 0, 16, 48))
    sent = await painted_over(here, card, painted=("edited.png", as_file(rubbed)))
    mask = np.asarray(opened(here.painter.requests[job_id(await gallery(sent))].second))
    assert mask[:, :16].all()
    assert not mask[:, 24:].any()


async def test_what_cannot_paint_within_a_mask_gives_way_to_the_usual_model(here: Studio) -> None:
    card = await gallery(await asked(here, "colorize"))
    assert (await job_of(here, card)).recipe.model == "pix2pix-color"
    original = opened(await here.images.get((await job_of(here, card)).results[0]))
    scribbled = original.convert("RGB")
    ImageDraw.Draw(scribbled).rectangle((20, 10, 40, 30), fill="magenta")
    sent = await painted_over(here, card, painted=("edited.png", as_file(scribbled)))
    recipe = (await job_of(here, await gallery(sent))).recipe
    assert (recipe.task, recipe.model, recipe.steps) == ("inpaint", "pocket", 20)


async def test_a_picture_that_is_not_painted_over_is_refused(here: Studio) -> None:
    card = await gallery(await asked(here, "reimagine", prompt="a house"))
    same = await here.images.get((await job_of(here, card)).results[0])
    refused = await painted_over(here, card, painted=("same.png", same))
    assert "No difference to the picture is found" in await told(here, refused)
    refused = await painted_over(here, card, painted=OTHER)
    assert "has another shape" in await told(here, refused)


async def test_only_who_may_press_paints_over_and_within_what_is_allowed(here: Studio) -> None:
    ada, iris = here.sandbox.member("ada"), here.sandbox.member("iris")
    card = await gallery(await ada.slash("studio", "imagine", prompt="a house"))
    assert "who asked for the picture" in await told(here, await iris.press(card, emoji="🖌️"))
    await set_policy(here, max_strength=0.7)
    form = await ada.press(card, emoji="🖌️")
    assert (await form.modal()).field("strength").value == "0.7"


async def test_two_pictures_are_blended_without_a_word(here: Studio) -> None:
    card = await gallery(await asked(here, "blend", other=OTHER, balance=0.25))
    job = await job_of(here, card)
    assert (job.recipe.task, job.recipe.options) == ("blend", Blend(balance=0.25))
    request = here.painter.requests[job.id]
    assert opened(request.image).size == (128, 96)
    assert opened(request.second).size == (96, 128)
    assert "25 % of the other picture" in card.text


async def test_a_model_without_an_image_adapter_says_so(here: Studio) -> None:
    refused = await asked(here, "style", style=OTHER, model="pix2pix-color")
    assert "“pix2pix-color” has none beside it; try the model pocket." in await told(here, refused)


async def test_a_style_goes_to_a_model_that_can_take_it(here: Studio) -> None:
    card = await gallery(await asked(here, "style", style=OTHER, amount=0.5))
    job = await job_of(here, card)
    assert (job.recipe.task, job.recipe.model, job.recipe.options) == (
        "style",
        "pocket",
        Style(scale=0.5),
    )
