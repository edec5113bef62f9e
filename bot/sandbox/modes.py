"""``make run`` without a token, and ``make demo``: the unmodified bot against a sandbox."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bot.sandbox.demo import play
from bot.sandbox.run import run_sandbox
from bot.sandbox.server import Sandbox
from bot.settings import Settings, job_log_in

PHOTOGRAPH = Path(__file__).with_name("coffee.jpg")


async def sandbox(settings: Settings, *, port: int | None, weather: str | None) -> None:
    """Serves the sandbox and its page until cancelled, a first picture already on the way."""
    home = _fresh_home(settings, "sandbox")

    async def start_bot(api_url: str, token: str) -> asyncio.subprocess.Process:
        return await _start_bot(home, {"DISCORD_API_URL": api_url, "DISCORD_TOKEN": token})

    await run_sandbox(port, weather, start_bot, picture=PHOTOGRAPH)


async def demo(settings: Settings, out: Path) -> int:
    """Plays the demo into the folder `out`; the process's exit status."""
    home = _fresh_home(settings, "demo")
    async with Sandbox() as served:
        process = await _start_bot(home, served.environment)
        try:
            return await play(served, out, photograph=PHOTOGRAPH)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def _fresh_home(settings: Settings, name: str) -> Path:
    """A home of its own, empty: the sandbox's world begins anew each time, ids included."""
    home = settings.palimpsest_home.absolute() / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    if settings.models.is_dir():
        (home / "models").symlink_to(settings.models.absolute())
    return home


def environment_of(home: Path) -> dict[str, str]:
    """What keeps a bot to this home, whatever the owner's environment and `.env` say.

    An empty variable would not do: it counts as unset, and `.env` would have its say.
    """
    return {"PALIMPSEST_HOME": str(home), "DATABASE_URL": job_log_in(home)}


async def _start_bot(home: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", env={**os.environ, **environment_of(home), **environment}
    )
