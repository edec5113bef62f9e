"""One sandbox with the real bot in it for each module, judged when its tests are done."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.sandbox.server import Sandbox
from tests.acceptance.real_bot import RealBot, running
from tests.acceptance.stage import Stage
from tests.integration.sandbox.sandbox_contract import CONTRACT, Contract

COMPLAINT = re.compile(r"^Traceback|^\S+ \S+ (?:ERROR|CRITICAL) .*", re.MULTILINE)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny`, which is the default, and `more/charcoal`, which lies in the bot's home."""
    from tests import tiny  # torch is loaded where it is needed

    folder = tmp_path_factory.mktemp("models")
    tiny.sd(folder / "tiny")
    tiny.sd(folder / "more" / "charcoal", seed=1)
    return folder


@pytest.fixture(scope="session")
def contract() -> Contract | None:
    """Discord's published contract, where it is at hand."""
    return Contract(CONTRACT) if CONTRACT is not None else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    tiny_models: Path,
    contract: Contract | None,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Stage]:
    """The bot at work; afterwards it must stop well and have asked only what Discord allows.

    A module that makes the bot complain names what it may say in `COMPLAINTS`.
    """
    home = tmp_path_factory.mktemp("acceptance") / "home"
    home.mkdir()
    (home / "models").symlink_to(tiny_models / "more")
    async with Sandbox() as sandbox:
        async with running(sandbox, home, tiny_models / "tiny") as bot:
            yield Stage(sandbox=sandbox, bot=bot)
        await judge(sandbox, bot, contract, getattr(request.module, "COMPLAINTS", ()))


async def judge(
    sandbox: Sandbox, bot: RealBot, contract: Contract | None, allowed: tuple[str, ...]
) -> None:
    """Nothing that the bot asked for or wrote in its log is a reason to worry."""
    assert sandbox.troubles == []
    if contract is not None:
        complaints = await asyncio.to_thread(contract.complaints, sandbox.requests)
        assert not complaints, "\n".join(complaints)
    unexpected = [
        line.group()
        for line in COMPLAINT.finditer(bot.log)
        if not any(re.search(one, line.group()) for one in allowed)
    ]
    assert unexpected == [], bot.log[-5000:]
