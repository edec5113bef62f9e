"""A row that a run cannot go on with ends in that run: the next one has nothing to paint of it."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from input_studio import ask, card_of, ended, studio, told

from bot.discord_ui import acknowledge, flows, reactions
from bot.discord_ui.reactions import Reactions
from bot.jobs.service import JobService
from bot.model import DeliveryState, JobStatus
from bot.sandbox.server import Sandbox
from bot.storage.database import DatabaseUnavailable
from bot.storage.jobs import JobStore

CALLBACK = "POST /interactions/*/callback"


async def full(*_: Any, **_more: Any) -> Any:
    raise DatabaseUnavailable("The database cannot be used: disk full")


async def test_a_placeholder_that_cannot_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail, failures = JobStore.fail, [full, full]

    async def full_twice(self: JobStore, job_id: int, **values: Any) -> Any:
        return await (failures.pop() if failures else fail)(self, job_id, **values)

    monkeypatch.setattr(flows, "ASKED_AGAIN", 0.01)
    monkeypatch.setattr(JobService, "set_message", full)
    monkeypatch.setattr(JobStore, "fail", full_twice)
    async with Sandbox() as sandbox, studio(sandbox, tmp_path) as here:
        assert (await told(here, await ask(here))).startswith("Something went wrong here")
        job = await ended(here, "It could not be gone on with.")
        assert (job.status, job.delivery) == (JobStatus.FAILED, DeliveryState.ABANDONED)
        assert not here.painter.requests


async def test_an_interaction_that_died_while_its_row_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledge, "PATIENCE", 0.0)
    async with Sandbox() as sandbox, studio(sandbox, tmp_path) as here:
        sandbox.weather.fail(CALLBACK, status=404, code=10062, times=2)
        await ask(here)
        job = await ended(here, "It was not acknowledged in time.")
        assert (job.status, job.delivery) == (JobStatus.FAILED, DeliveryState.ABANDONED)


async def test_a_die_whose_placeholder_cannot_be_posted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut_off(*_: Any, **_more: Any) -> Any:
        raise aiohttp.ClientOSError("cut off")

    monkeypatch.setattr(reactions, "FIRST_PAUSE", 0.01)
    async with Sandbox() as sandbox, studio(sandbox, tmp_path) as here:
        card = await card_of(here)
        monkeypatch.setattr(Reactions, "_post", cut_off)
        await sandbox.member("jun").react(card, "🎲")
        job = await ended(here, "It could not be gone on with.")
        assert (job.status, job.delivery) == (JobStatus.FAILED, DeliveryState.ABANDONED)


async def test_what_cannot_be_resumed_now_is_resumed_by_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(*_: Any) -> None:
        """In place of `Flows.submit`: the run ended here."""

    monkeypatch.setattr("bot.discord_ui.client.ASKED_AGAIN", 0.01)
    async with Sandbox() as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(flows.Flows, "submit", stopped)
            async with studio(sandbox, tmp_path) as first:
                asked = await ask(first)
                await asked.ack()
        submit, failures = flows.Flows.submit, [full, full]

        async def full_twice(self: flows.Flows, job: Any) -> Any:
            return await (failures.pop() if failures else submit)(self, job)

        monkeypatch.setattr(flows.Flows, "submit", full_twice)
        async with studio(sandbox, tmp_path):
            await asked.wait_for(lambda post: post.gallery)
