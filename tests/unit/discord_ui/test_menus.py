from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord.components import _component_factory

from bot.discord_ui.menus import OfferedPictures, Picture, job_of, pictures_of
from bot.errors import Gone

CDN = "https://cdn.discordapp.com/attachments/1/2"


def attachment(name: str, content_type: str | None = None) -> Any:
    return SimpleNamespace(url=f"{CDN}/{name}", filename=name, content_type=content_type)


def message(**parts: Any) -> Any:
    components = [_component_factory(one) for one in parts.pop("components", [])]
    empty: dict[str, Any] = {"attachments": [], "embeds": [], "message_snapshots": []}
    return SimpleNamespace(**(empty | {"components": components} | parts))


def media(name: str, **more: Any) -> dict[str, Any]:
    return {"url": f"{CDN}/{name}", "proxy_url": f"https://media/{name}"} | more


CARD = {
    "type": 17,
    "components": [
        {
            "type": 9,
            "components": [{"type": 10, "content": "ink"}],
            "accessory": {"type": 11, "media": media("source.jpg", attachment_id="8")},
        },
        {
            "type": 12,
            "items": [
                {"media": media("1.png", attachment_id="9", content_type="image/png")},
                {"media": media("2.mp4", attachment_id="10", content_type="video/mp4")},
                {"media": {"url": "https://intern/3.png", "proxy_url": "https://proxy/3.png"}},
            ],
        },
        {
            "type": 1,
            "components": [
                {"type": 2, "style": 2, "label": "x", "custom_id": "palimpsest:reroll:42"}
            ],
        },
    ],
}


def test_attachments_are_pictures_by_their_type_else_by_their_name() -> None:
    found = pictures_of(
        message(
            attachments=[
                attachment("a.bin", "image/png"),
                attachment("b.png", "text/html"),
                attachment("c.JPEG"),
                attachment("d.txt"),
            ]
        )
    )
    assert [picture.name for picture in found] == ["a.bin", "c.JPEG"]
    assert found[0].url == f"{CDN}/a.bin"


def test_galleries_are_searched_but_not_the_thumbnail_of_the_source() -> None:
    found = pictures_of(message(components=[CARD]))
    assert found == [
        Picture(url=f"{CDN}/1.png", name="1.png"),
        Picture(url="https://proxy/3.png", name="3.png"),
    ]


def test_embeds_are_read_through_the_proxy_only() -> None:
    embed = discord.Embed.from_dict(
        {
            "title": "A page",
            "image": {"url": "http://192.168.0.1/x.png", "proxy_url": "https://proxy/x.png"},
            "thumbnail": {"url": "http://192.168.0.1/y.png"},
        }
    )
    assert pictures_of(message(embeds=[embed])) == [
        Picture(url="https://proxy/x.png", name="A page")
    ]


def test_a_forwarded_message_shows_its_pictures() -> None:
    forwarded = message(attachments=[attachment("a.png", "image/png")])
    assert pictures_of(message(message_snapshots=[forwarded])) == [
        Picture(url=f"{CDN}/a.png", name="a.png")
    ]


def test_the_same_picture_is_offered_once() -> None:
    found = pictures_of(message(attachments=[attachment("1.png", "image/png")], components=[CARD]))
    assert [picture.name for picture in found] == ["1.png", "3.png"]


def test_a_card_tells_its_job() -> None:
    assert job_of(message(components=[CARD])) == 42
    assert job_of(message()) is None


def test_offered_pictures_are_bounded_and_a_lost_one_is_said() -> None:
    offered = OfferedPictures(too_old="That is too old.", limit=2)
    for number in (1, 2, 3):
        offered.put(number, (Picture(url=f"u{number}", name="n"),))
    assert offered.get(3)[0].url == "u3"
    with pytest.raises(Gone, match="too old"):
        offered.get(1)
