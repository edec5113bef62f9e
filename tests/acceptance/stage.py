"""The real bot in the sandbox, and what tests ask of both again and again."""

import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from bot.model import GuildPolicy
from bot.sandbox.members import Interaction, Member
from bot.sandbox.posts import Attachment, Post
from bot.sandbox.server import Sandbox
from tests.acceptance.real_bot import RealBot

PATIENCE = 120.0  # seconds; reached only where something is wrong
DEFAULTS = GuildPolicy(guild_id=0)


def photograph(width: int = 128, height: int = 96, kind: str = "PNG", **options: Any) -> bytes:
    """A picture with something to see in it."""
    buffer = io.BytesIO()
    red = Image.radial_gradient("L").resize((width, height))
    green = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (red, green, green.rotate(180)))
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


SOURCE = ("harbour.png", photograph())


@dataclass(frozen=True, kw_only=True)
class Stage:
    sandbox: Sandbox
    bot: RealBot

    def member(self, name: str, guild: str = "atelier") -> Member:
        return self.sandbox.member(name, guild)

    async def ask(self, who: str = "ada", channel: str = "studio", **options: Any) -> Interaction:
        """`/reimagine`, acknowledged in time."""
        given = {"image": SOURCE, "prompt": "ink wash", "steps": 4} | options
        guild = "salon" if channel == "atrium" else "atelier"
        return await (await self.member(who, guild).slash(channel, "reimagine", **given)).ack()

    async def card(self, who: str = "ada", channel: str = "studio", **options: Any) -> Post:
        """A finished card, asked for by command."""
        return await gallery(await self.ask(who, channel, **options))

    async def crowd(self, who: str = "ada", **options: Any) -> list[Interaction]:
        """As many jobs as run at once, and one more, which waits. For a frozen engine."""
        asked: list[Interaction] = []
        while True:
            asked.append(await self.ask(who, prompt=f"*job* {len(asked)} @here", **options))
            shown = await asked[-1].wait_for(lambda post: post.buttons, PATIENCE)
            if "next in line" in shown.text:
                return asked
            assert "Starting" in shown.text

    async def told(self, asked: Interaction) -> str:
        """What the member is told privately; nothing else is left of what they did."""

        def private() -> Post | None:
            mine = [one for one in self.sandbox.posts() if one.interaction_id == asked.id]
            alone = len(mine) == 1 and mine[0].ephemeral and not mine[0].loading
            return mine[0] if alone else None

        return (await self.sandbox.until(private, PATIENCE, f"{asked} answered privately")).text

    async def settings(self, **changes: Any) -> str:
        """`/palimpsest settings` by the guild's owner; what it answers."""
        return await self.told(
            await self.member("ada").slash("studio", "palimpsest settings", **changes)
        )

    @asynccontextmanager
    async def rules(self, **changes: Any) -> AsyncIterator[None]:
        """Other settings for a while."""
        await self.settings(**changes)
        try:
            yield
        finally:
            old = {name: getattr(DEFAULTS, name) for name in changes if name != "allow_channel"}
            await self.settings(**old, everywhere=True)

    def row(self, post: Post) -> dict[str, Any]:
        """The job log's row of a card."""
        return self.bot.row(job_id(post))

    async def delivered(self, post: Post, **values: Any) -> dict[str, Any]:
        """The same, once the bot knows that the card has arrived."""
        return await self.bot.becomes(job_id(post), delivery="delivered", **values)

    def answers(self, job: int) -> list[Post]:
        """Every message that shows how a job ended: with its buttons, and not those of a wait."""
        return [
            post
            for post in self.sandbox.posts()
            if any(
                re.fullmatch(rf"palimpsest:(?!cancel)[a-z]+:{job}(:\d+)?", one.custom_id)
                for one in post.buttons
            )
        ]


async def gallery(asked: Interaction) -> Post:
    """The finished card that an interaction leads to."""
    return await asked.wait_for(is_finished, PATIENCE)


def is_finished(post: Post) -> bool:
    """Whether it shows pictures and how to go on; a preview has only ✖."""
    return bool(post.gallery) and any(":delete:" in one.custom_id for one in post.buttons)


def job_id(post: Post) -> int:
    """The job that a card is about."""
    match = re.fullmatch(r"palimpsest:[a-z]+:(\d+)(?::\d+)?", post.buttons[0].custom_id)
    assert match is not None
    return int(match[1])


def pictures(post: Post) -> list[Attachment]:
    """The files in a card's gallery, in order."""
    shown = [item["media"]["url"].partition("?")[0].rpartition("/")[2] for item in post.gallery]
    by_name = {one.filename: one for one in post.attachments}
    return [by_name[name] for name in shown]


def pixels(picture: Attachment) -> Image.Image:
    """A picture, decoded."""
    return Image.open(io.BytesIO(picture.data)).convert("RGB")
