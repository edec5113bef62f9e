"""Health, metrics and gallery over a real socket and a real job log."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.model import Origin, OriginKind
from bot.storage.database import Database
from bot.storage.images import ImageStore
from bot.storage.jobs import JobStore
from bot.storage.statistics import Statistics
from bot.web.metrics import quantile
from bot.web.server import OwnerPages
from inference.executors.base import ExecutorState
from inference.options import Denoise, Edit, Upscale
from inference.request import Recipe
from inference.result import GenerationResult


class _Bot:
    """The figures that the pages ask of the rest of the bot."""

    state = ExecutorState.READY
    problem: str | None = None
    latency: float | None = 0.05


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}") as opened:
        yield opened


@pytest.fixture
async def bot() -> _Bot:
    return _Bot()


@pytest.fixture
async def pages(
    database: Database, tmp_path: Path, bot: _Bot
) -> AsyncIterator[aiohttp.ClientSession]:
    owner_pages = OwnerPages(
        statistics=Statistics(database),
        images=ImageStore(database, tmp_path / "pictures"),
        engine=bot,
        gateway=lambda: bot.latency,
    )
    async with (
        owner_pages.serve(0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield session


async def _finished_job(
    database: Database, tmp_path: Path, prompt: str, *, imagined: bool = False, **recipe: Any
) -> str:
    store = JobStore(database)
    images = ImageStore(database, tmp_path / "pictures")
    sha = await images.put(b"\x89PNG picture", role="source", width=8, height=8)
    origin = Origin(kind=OriginKind.REACTION, guild_id=1, channel_id=2, user_id=3)
    job, _ = await store.receive(recipe=Recipe(prompt=prompt, **recipe), origin=origin)
    await store.enqueue(
        job.id, source=None if imagined else sha, width=8, height=8, cost=2.5,
        window=timedelta(hours=1), admit=lambda load: None,
    )  # fmt: skip
    await store.claim()
    result = GenerationResult(
        images=(), model="m", revision="r", scheduler="ddim", steps_run=1, seconds=1.0
    )
    await store.finish(job.id, results=[sha], run=result)
    return sha


async def test_health_says_whether_the_bot_can_work(
    pages: aiohttp.ClientSession, bot: _Bot
) -> None:
    async with pages.get("/health") as answer:
        assert answer.status == 200
        assert await answer.json() == {"gateway": "connected", "engine": "ready", "problem": None}
    bot.latency = None
    async with pages.get("/health") as answer:
        assert answer.status == 503
    bot.latency, bot.state, bot.problem = 0.1, ExecutorState.FAILED, "unet is missing"
    async with pages.get("/health") as answer:
        assert answer.status == 503
        assert (await answer.json())["problem"] == "unet is missing"


async def test_metrics_count_the_job_log(
    pages: aiohttp.ClientSession, database: Database, tmp_path: Path
) -> None:
    await _finished_job(database, tmp_path, "a boat")
    async with pages.get("/metrics") as answer:
        text = await answer.text()
    assert 'palimpsest_jobs{status="succeeded"} 1.0' in text
    assert "palimpsest_undelivered_jobs 1.0" in text
    assert "palimpsest_charged_megapixel_rows 2.5" in text
    assert 'palimpsest_total_seconds{quantile="0.95"}' in text
    assert 'palimpsest_engine_state{state="ready"} 1.0' in text


async def test_the_gallery_shows_pictures_and_runs_nobodys_markup(
    pages: aiohttp.ClientSession, database: Database, tmp_path: Path
) -> None:
    sha = await _finished_job(database, tmp_path, "<script>alert(1)</script>")
    async with pages.get("/") as answer:
        text = await answer.text()
    assert f'src="/pictures/{sha}"' in text
    assert "<script>" not in text
    async with pages.get(f"/pictures/{sha}") as answer:
        assert await answer.read() == b"\x89PNG picture"
    async with pages.get("/pictures/" + "0" * 64) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("job", "used"),
    [
        ({}, "#1 · strength 0.6 · seed 7 · pocket"),
        ({"imagined": True, "strength": 1.0}, "#1 · seed 7 · pocket"),
        ({"strengths": (0.3, 0.6), "count": 2}, "#1 · strengths 0.3 to 0.6 · seed 7 · pocket"),
        ({"task": "edit", "options": Edit()}, "#1 · seed 7 · pocket"),
        ({"task": "upscale", "options": Upscale(creativity=0.3)}, "#1 · seed 7 · pocket"),
        ({"task": "upscale", "options": Upscale()}, "#1 · upscale"),
        ({"task": "denoise", "options": Denoise()}, "#1 · denoise"),
    ],
)
async def test_the_gallery_says_only_what_means_something(
    pages: aiohttp.ClientSession, database: Database, tmp_path: Path, job: Any, used: str
) -> None:
    await _finished_job(database, tmp_path, "a boat", seed=7, **job)
    async with pages.get("/") as answer:
        assert f"<small>{used}</small>" in await answer.text()


async def test_the_gallery_goes_back_page_by_page(
    pages: aiohttp.ClientSession, database: Database, tmp_path: Path
) -> None:
    for number in range(26):
        await _finished_job(database, tmp_path, f"picture {number}")
    async with pages.get("/") as answer:
        first = await answer.text()
    assert first.count("<figure>") == 24
    assert 'href="?before=3"' in first
    async with pages.get("/?before=3") as answer:
        second = await answer.text()
    assert second.count("<figure>") == 2
    assert "Older" not in second


def test_quantiles_are_values_that_were_seen() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.99) == 3.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile(range(100), 0.95) == 94
