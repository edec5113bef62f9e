"""500 interactions in a burst while the engine is saturated: how fast the bot answers.

Prints the acknowledgement's latency (from the member's action to the callback's arrival at the
sandbox), the lateness of the bot's event loop, its resident memory, and the time from the
process's start to READY, each beside its aim.
"""

import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import aiohttp
import psutil
from PIL import Image

from bot.sandbox.members import Interaction
from bot.sandbox.modes import environment_of
from bot.sandbox.server import Sandbox
from bot.web.metrics import quantile
from tests import tiny

BURST = 500
RATES = (50.0, 100.0, None)
"""Interactions per second; None: all at once."""
OWNERS = (("ada", "atelier", "studio"), ("iris", "salon", "atrium"))
SATURATING = 12
STEPS = 50
MEBI = 2**20


@dataclass(frozen=True, kw_only=True)
class Round:
    """One burst. latencies: seconds; lag: quantile → seconds; memory: bytes."""

    rate: float | None
    latencies: Sequence[float]
    unanswered: int
    lag: dict[str, float]
    memory: int


def _picture() -> bytes:
    buffer = BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((96, 96)).save(buffer, "PNG")
    return buffer.getvalue()


async def _saturate(sandbox: Sandbox, picture: bytes) -> None:
    """Work for the engine that outlasts the bursts."""
    iris = sandbox.member("iris", "salon")
    for number in range(SATURATING):
        asked = await iris.slash(
            "atrium", "reimagine", image=(f"{number}.png", picture), prompt="busy",
            steps=STEPS, strength=1.0, count=4,
        )  # fmt: skip
        await asked.ack(30)


async def _burst(sandbox: Sandbox, rate: float | None, picture: bytes) -> list[Interaction]:
    """All interactions, each begun at its time whether or not earlier ones were answered."""
    members = [sandbox.member(name) for name in ("ada", "mo", "iris", "jun")]

    async def one(number: int) -> Interaction:
        if rate is not None:
            await asyncio.sleep(number / rate)
        return await members[number % len(members)].slash(
            "studio", "reimagine", image=(f"{number}.png", picture), prompt=f"picture {number}"
        )

    return list(await asyncio.gather(*(one(number) for number in range(BURST))))


async def _latencies(sandbox: Sandbox, begun: Sequence[Interaction]) -> list[float]:
    """Seconds until each acknowledgement arrived; the unanswered are left out."""
    with contextlib.suppress(TimeoutError):  # the table says how many were never answered
        await sandbox.until(
            lambda: all(one.acknowledged for one in begun), 30, "every interaction acknowledged"
        )
    arrived = {
        int(found[1]): request.started
        for request in sandbox.requests
        if (found := re.search(r"/interactions/(\d+)/", request.path))
    }
    return [arrived[one.id] - one.began for one in begun if one.id in arrived]


async def _lag(port: int) -> dict[str, float]:
    url = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
    found = re.findall(r'palimpsest_loop_lag_seconds\{quantile="([\d.]+)"\} (\S+)', text)
    return {q: float(value) for q, value in found}


async def measure(folder: Path) -> tuple[float, list[Round]]:
    """Seconds from start to READY, and every round. folder: for the model and the bot's home."""
    model, picture = tiny.sd(folder / "model"), _picture()
    async with Sandbox() as sandbox:
        port = sandbox.port + 1
        own = {
            **environment_of(folder / "home"),
            "MODEL": str(model),
            "WEB_PORT": str(port),
            "LOG_LEVEL": "ERROR",
        }
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", env={**os.environ, **own, **sandbox.environment}
        )
        try:
            await sandbox.wait_ready(120)
            ready = time.monotonic() - began
            for owner, guild, channel in (
                ("ada", "atelier", "studio"),
                ("iris", "salon", "atrium"),
            ):
                answered = await sandbox.member(owner, guild).slash(
                    channel, "palimpsest settings", member_queue=1000, guild_queue=1000,
                    member_budget=1e6, guild_budget=1e6,
                )  # fmt: skip
                await answered.ack(30)
            await _saturate(sandbox, picture)
            rounds = []
            for rate in RATES:
                begun = await _burst(sandbox, rate, picture)
                latencies = await _latencies(sandbox, begun)
                rounds.append(
                    Round(
                        rate=rate,
                        latencies=latencies,
                        unanswered=len(begun) - len(latencies),
                        lag=await _lag(port),
                        memory=psutil.Process(process.pid).memory_info().rss,
                    )
                )
        finally:
            process.kill()
            await process.wait()
    return ready, rounds


def table(ready: float, rounds: Sequence[Round]) -> str:
    """What was measured, as Markdown."""
    lines = [
        f"start to READY: {ready:.2f} s (aim ≤ 3 s)",
        "",
        "| 500 interactions | ack p50 | p99 (aim ≤ 100 ms) | max | unanswered "
        "| loop lag p99 | max | memory (aim ≤ 150 MB) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in rounds:
        p50, p99 = (quantile(one.latencies, q) or 0.0 for q in (0.5, 0.99))
        name = "all at once" if one.rate is None else f"{one.rate:g} a second"
        lines.append(
            f"| {name} | {p50 * 1e3:.0f} ms | {p99 * 1e3:.0f} ms "
            f"| {max(one.latencies, default=0) * 1e3:.0f} ms | {one.unanswered} "
            f"| {one.lag['0.99'] * 1e3:.0f} ms | {one.lag['1.0'] * 1e3:.0f} ms "
            f"| {one.memory / MEBI:.0f} MiB |"
        )
    return "\n".join(lines)


def main() -> int:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        print(table(*asyncio.run(measure(Path(folder)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
