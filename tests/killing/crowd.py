"""Ten jobs at once: commands, dice, a form and a reaction, of four people on two servers."""

import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from bot.sandbox.members import ACKNOWLEDGE_SECONDS, Interaction
from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox
from tests.killing.painter import plain_png

JOBS, DICE = 10, 1
FIRST = 5
PATIENCE = 120.0
Patience = Callable[[Callable[[], bool]], Awaitable[None]]
TRIES = 5
OPTIONS: dict[str, Any] = {"strength": 0.75, "steps": 8}
COMMANDS = (
    ("ada", "atelier", "studio"),
    ("mo", "atelier", "studio"),
    ("iris", "atelier", "gallery"),
    ("jun", "atelier", "studio"),
    ("iris", "salon", "atrium"),
    ("jun", "salon", "atrium"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cards:
    """Finished cards to go on from, and the form that ada opened on hers."""

    ada: Post
    iris: Post
    form: Interaction


class Crowd:
    """The people. Every picture they post is another one, so that each is stored anew."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._random = random.Random(0)

    async def prepare(self) -> Cards:
        """Makes the cards, with a bot that is not about to die."""
        asked = await self._command("ada", "atelier", "studio")
        other = await self._command("iris", "salon", "atrium")
        mine = await asked.wait_for(lambda post: post.gallery, PATIENCE)
        hers = await other.wait_for(lambda post: post.gallery, PATIENCE)
        return Cards(ada=mine, iris=hers, form=await self._open(mine))

    async def ask(self, cards: Cards, patiently: Patience) -> list[Interaction]:
        """All ten: half of them, and when those are acknowledged the others at once.

        patiently: waits for something, or for the bot's death.
        """
        asked = [await self._command(*command) for command in COMMANDS[:FIRST]]
        late = time.time() + ACKNOWLEDGE_SECONDS
        await patiently(lambda: all(one.acknowledged for one in asked) or time.time() > late)
        await self._sandbox.member("jun").react(cards.ada, "🎲")
        asked += [await self._command(*command) for command in COMMANDS[FIRST:]]
        ada, iris = self._sandbox.member("ada"), self._sandbox.member("iris", "salon")
        asked.append(await ada.press(cards.ada, emoji="🎲"))
        asked.append(await iris.press(cards.iris, emoji="🎲"))
        asked.append(await ada.submit(cards.form, {"prompt": "charcoal"}))
        return asked

    async def calm_down(self, cards: Cards) -> Cards:
        """Makes it possible to ask again, with a bot that is not about to die."""
        await self._sandbox.member("jun").unreact(cards.ada, "🎲")
        return replace(cards, form=await self._open(cards.ada))

    async def _open(self, card: Post) -> Interaction:
        """A form can be sent once."""
        for _ in range(TRIES):
            opened = await self._sandbox.member("ada").press(card, emoji="✏️")
            with contextlib.suppress(TimeoutError):
                await opened.modal()
                return opened
        raise TimeoutError("the bot opens no form within 3 s")

    async def _command(self, who: str, guild: str, channel: str) -> Interaction:
        picture = plain_png(96, 64, self._random.randrange(1 << 24))
        return await self._sandbox.member(who, guild).slash(
            channel, "reimagine", image=("picture.png", picture), prompt="ink wash", **OPTIONS
        )
