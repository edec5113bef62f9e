"""A job of two pictures that one run of the bot only recorded, another finishes."""

import asyncio
import io
from pathlib import Path

import pytest
from input_studio import OTHER, SOURCE, Studio, gallery, job_id, plain_png, studio
from PIL import Image, ImageDraw

from bot.discord_ui.flows import Flows
from bot.discord_ui.intake import Intake
from bot.model import Job, JobStatus
from bot.sandbox.members import Interaction
from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox


async def stopped(_flows: Flows, _job: Job) -> str | None:
    """In place of `Flows.submit`: the run ended here."""
    return None


async def blend(here: Studio) -> Interaction:
    ada = here.sandbox.member("ada")
    asked = await ada.slash("studio", "blend", image=SOURCE, other=OTHER)
    await asked.ack()
    return asked


def sizes(here: Studio, card: Post) -> list[tuple[int, int]]:
    """Of both pictures that reached the model."""
    request = here.painter.requests[job_id(card)]
    assert request.image is not None and request.second is not None
    return [Image.open(io.BytesIO(data)).size for data in (request.image, request.second)]


async def test_both_pictures_are_fetched_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(Flows, "submit", stopped)
            async with studio(sandbox, tmp_path) as first:
                asked = await blend(first)
                (job,) = await first.service.received()
                assert job.source_url is not None and job.second_url is not None
        async with studio(sandbox, tmp_path) as second:
            card = await gallery(asked)
            assert sizes(second, card) == [(128, 96), (96, 128)]
        assert len(sandbox.posts("studio")) == 1


async def test_stopped_between_the_two_pictures_it_fetches_both_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        with monkeypatch.context() as patch:
            between = asyncio.Event()
            take = Intake.take
            taken: list[str] = []

            async def one_only(self: Intake, url: str, *, transparency: bool = False) -> str:
                if taken:
                    between.set()
                    await asyncio.Event().wait()
                taken.append(await take(self, url, transparency=transparency))
                return taken[0]

            patch.setattr(Intake, "take", one_only)
            async with studio(sandbox, tmp_path) as first:
                asked = await blend(first)
                await asyncio.wait_for(between.wait(), 5)
                (job,) = await first.service.received()
                assert (job.status, job.source) == (JobStatus.RECEIVED, None)
        async with studio(sandbox, tmp_path) as second:
            card = await gallery(asked)
            assert sizes(second, card) == [(128, 96), (96, 128)]
            assert (await second.service.get(job_id(card))).source == taken[0]
        assert len(sandbox.posts("studio")) == 1


async def test_the_mask_of_a_painted_picture_is_found_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Sandbox() as sandbox:
        ada = sandbox.member("ada")
        with monkeypatch.context() as patch:
            async with studio(sandbox, tmp_path):
                options = {"image": SOURCE, "prompt": "ink wash", "seed": 0x303030}
                card = await gallery(await ada.slash("studio", "reimagine", **options))
                painted = Image.open(io.BytesIO(plain_png(64, 48, 0x303030)))
                ImageDraw.Draw(painted).rectangle((8, 8, 31, 31), fill="white")
                file = io.BytesIO()
                painted.save(file, "PNG")
                patch.setattr(Flows, "submit", stopped)
                form = await ada.press(card, emoji="🖌️")
                values = {"prompt": "a door", "painted": ("edited.png", file.getvalue())}
                asked = await ada.submit(form, values)
                await asked.ack()
        async with studio(sandbox, tmp_path) as second:
            child = await gallery(asked)
            mask = second.painter.requests[job_id(child)].second
            assert mask is not None
            left, top, right, bottom = Image.open(io.BytesIO(mask)).getbbox() or (0, 0, 0, 0)
            assert max(abs(left - 8), abs(top - 8), abs(right - 32), abs(bottom - 32)) <= 3
