"""/compare and ⚖️."""

import io

import pytest
from input_studio import OTHER, SOURCE, Studio, card_of, everything, gallery, here, told
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
