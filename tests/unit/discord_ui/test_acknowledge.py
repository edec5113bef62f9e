"""Whether Discord has heard the acknowledgement is found out, however long that takes."""

from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from bot.discord_ui import acknowledge
from bot.discord_ui.acknowledge import UNKNOWN_INTERACTION, defer, in_time


def refusal(status: int, code: int = 0) -> discord.HTTPException:
    kind = discord.NotFound if status == 404 else discord.HTTPException
    return kind(SimpleNamespace(status=status, reason=""), {"code": code, "message": "no"})  # type: ignore[arg-type]


class Interaction:
    """Deferring it fails, and then each look-up gives what comes next in `found`."""

    id = 1

    def __init__(self, deferred: Exception, *found: object, expires_after: int = 100) -> None:
        self.response = self
        self._deferred = deferred
        self._found = [*found]
        self._left = expires_after

    def is_done(self) -> bool:
        return False

    async def defer(self, **_options: Any) -> None:
        raise self._deferred

    def is_expired(self) -> bool:
        self._left -= 1
        return self._left < 0

    async def original_response(self) -> Any:
        found = self._found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledge, "ASKED_AGAIN", 0.0)
    monkeypatch.setattr(acknowledge, "PATIENCE", 0.0)


LOST = aiohttp.ClientOSError("cut off")


async def test_it_is_looked_up_until_discord_can_be_reached() -> None:
    found = SimpleNamespace(id=7)
    interaction: Any = Interaction(LOST, LOST, refusal(503), OSError("no route"), found)
    assert await defer(interaction) == 7


@pytest.mark.parametrize("expires_after", [0, 3])
async def test_nobody_expects_anything_once_the_token_is_dead(expires_after: int) -> None:
    interaction: Any = Interaction(LOST, LOST, LOST, LOST, expires_after=expires_after)
    assert await defer(interaction) is None


async def test_what_discord_refuses_is_not_asked_again() -> None:
    interaction: Any = Interaction(LOST, refusal(401))
    with pytest.raises(discord.HTTPException):
        await defer(interaction)


@pytest.mark.parametrize("failure", [refusal(404, UNKNOWN_INTERACTION), LOST])
async def test_work_goes_on_where_the_early_deferral_fails(failure: Exception) -> None:
    async def work() -> str:
        for _ in range(5):
            await acknowledge.asyncio.sleep(0)
        return "a row"

    interaction: Any = Interaction(failure)
    assert await in_time(interaction, work()) == "a row"
