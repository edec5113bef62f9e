"""/compare and ⚖️."""

import asyncio
import io

import pytest
from input_studio import OTHER, SOURCE, Studio, card_of, everything, gallery, here, set_policy, told
from PIL import Image

from bot.errors import Gone
from bot.sandbox.posts import Post

__all__ = ["everything", "here"]  # fixtures

pytestmark = pytest.mark.asyncio(loop_scope="module")


def files(post: Post) -> list[Image.Image]:
    return [Image.open(io.BytesIO(attached.data)) for attached in post.attachments]


async def test_the_button_compares_the_source_with_each_result(here: Studio) -> None:
    card = await card_of(here, count=2)
    shown = await gallery(await here.sandbox.member("ada").press(card, emoji="⚖️"))
    assert not shown.ephemeral
    kinds = [picture.format for picture in files(shown)]
    assert kinds == ["PNG", "GIF", "PNG", "GIF"]
    assert len(shown.gallery) == 4


async def test_the_servers_channels_are_kept_to(here: Studio) -> None:
    card = await card_of(here)
    await set_policy(here, channels=(here.sandbox.world.channel("gallery").id,))
    ada = here.sandbox.member("ada")
    for asked in (
        await ada.press(card, emoji="⚖️"),
        await ada.slash("studio", "compare", before=SOURCE, after=OTHER),
    ):
        assert "not made in this channel" in await told(here, asked)
    await gallery(await ada.slash("gallery", "compare", before=SOURCE, after=OTHER))


async def test_a_member_has_one_at_a_time(here: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, read = asyncio.Event(), asyncio.Event(), here.images.get

    async def slow(sha: str) -> bytes:
        begun.set()
        await go_on.wait()
        return await read(sha)

    card, other = await card_of(here), await card_of(here, "jun")
    ada, jun = here.sandbox.member("ada"), here.sandbox.member("jun")
    monkeypatch.setattr(here.images, "get", slow)
    first = await ada.press(card, emoji="⚖️")
    await begun.wait()
    again = await ada.slash("studio", "compare", before=SOURCE, after=OTHER)
    assert "One comparison at a time" in await told(here, again)
    theirs = await jun.press(other, emoji="⚖️")
    go_on.set()
    await gallery(first)
    await gallery(theirs)
    await gallery(await ada.press(card, emoji="⚖️"))


async def test_where_files_may_not_be_attached_the_member_is_told(here: Studio) -> None:
    asked = await here.sandbox.member("ada").slash(
        "no-uploads", "compare", before=SOURCE, after=OTHER
    )
    assert await told(here, asked) == (
        "I may not attach files in this channel. Ask somebody who manages it for the permission "
        "“Attach Files”, then ask again."
    )


async def test_it_is_for_who_may_press_the_buttons(here: Studio) -> None:
    card = await card_of(here)
    assert "react with 🎲" in await told(
        here, await here.sandbox.member("jun").press(card, emoji="⚖️")
    )


async def test_what_is_not_kept_any_more_cannot_be_compared(
    here: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await card_of(here)

    async def gone(sha: str) -> bytes:
        raise Gone("That picture is no longer kept.")

    monkeypatch.setattr(here.images, "get", gone)
    pressed = await here.sandbox.member("ada").press(card, emoji="⚖️")
    assert "no longer kept" in await told(here, pressed)


async def test_any_two_pictures_by_command(here: Studio) -> None:
    asked = await here.sandbox.member("jun").slash("studio", "compare", before=SOURCE, after=OTHER)
    sheet, wipe = files(await gallery(asked))
    assert sheet.size == (171 + 8 + 96, 128)
    assert wipe.size == (96, 128)


async def test_a_file_that_is_no_picture(here: Studio) -> None:
    asked = await here.sandbox.member("jun").slash(
        "studio", "compare", before=SOURCE, after=("notes.txt", b"just words")
    )
    assert "only PNG" in await told(here, asked)
