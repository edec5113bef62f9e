"""Real pictures, a real picture process and a real store."""

import dataclasses
import io
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from bot.discord_ui import uploads
from bot.discord_ui.uploads import Packer, alt_text
from bot.errors import BadPicture, Gone
from bot.model import DeliveryState, Job, JobStatus, Origin, OriginKind
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker
from bot.storage.database import Database
from bot.storage.images import ImageStore
from inference.request import Recipe
from inference.stamps import with_text

NOISE = random.Random(7)


def noisy(width: int, height: int) -> bytes:
    """A PNG that hardly compresses: about 3 bytes a pixel."""
    image = Image.frombytes("RGB", (width, height), NOISE.randbytes(width * height * 3))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def job_of(*results: str, source: str | None = None) -> Job:
    return Job(
        id=5,
        status=JobStatus.SUCCEEDED,
        recipe=Recipe(prompt="a fox", count=max(1, len(results))),
        origin=Origin(kind=OriginKind.COMMAND, guild_id=1, channel_id=2, user_id=3),
        parent_id=None,
        source_url=None,
        source=source,
        width=64,
        height=64,
        cost=1.0,
        attempts=1,
        results=results,
        steps_run=1,
        seconds=1.0,
        message_id=None,
        delivery=DeliveryState.PENDING,
        error=None,
        reference=None,
        created_at=datetime.now(UTC),
        queued_at=None,
        started_at=None,
        finished_at=None,
    )


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[ImageStore]:
    async with Database.open(f"sqlite+aiosqlite:///{tmp_path}/jobs.db") as database:
        yield ImageStore(database, tmp_path / "pictures")


@pytest.fixture
async def packer(images: ImageStore) -> AsyncIterator[Packer]:
    async with PictureWorker(PictureLimits(max_bytes=2**24, max_pixels=2**22)) as pictures:
        yield Packer(images=images, pictures=pictures)


async def put(images: ImageStore, *pngs: bytes) -> list[str]:
    return [await images.put(png, role="result", width=64, height=64) for png in pngs]


async def test_what_fits_is_sent_as_it_is(images: ImageStore, packer: Packer) -> None:
    pngs = [noisy(64, 64), noisy(32, 64)]
    source = await images.put(noisy(600, 300), role="source", width=600, height=300)
    job = job_of(*await put(images, *pngs), source=source)
    parcel = await packer.pack(job, limit=10 * 2**20, parameters=True)
    assert [picture.data for picture in parcel.pictures] == pngs
    assert [file.name for file in parcel.files] == [
        "palimpsest-5-1.png",
        "palimpsest-5-2.png",
        "source-5.jpg",
    ]
    assert parcel.notes == ()
    assert parcel.source is not None
    assert Image.open(io.BytesIO(parcel.source.data)).size == (256, 128)


async def test_what_is_too_large_is_encoded_smaller_and_said(
    images: ImageStore, packer: Packer
) -> None:
    limit = 60_000
    job = job_of(*await put(images, noisy(200, 200), noisy(64, 64), noisy(190, 200)))
    parcel = await packer.pack(job, limit=limit, parameters=True)
    assert all(len(picture.data) <= limit for picture in parcel.pictures)
    first, second, _ = parcel.pictures
    assert first.name.endswith((".webp", ".jpg"))
    assert second.name.endswith(".png")
    assert Image.open(io.BytesIO(first.data)).size == (200, 200)
    assert parcel.notes[0].startswith("Sent as ")
    assert parcel.notes[1] == "Likewise one more picture."


async def test_all_files_together_keep_below_the_requests_limit(
    images: ImageStore, packer: Packer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_REQUEST", 300_000)
    shas = await put(images, *(noisy(200, 200) for _ in range(4)))
    source = await images.put(noisy(64, 64), role="source", width=64, height=64)
    parcel = await packer.pack(job_of(*shas, source=source), limit=200_000, parameters=True)
    assert sum(len(file.data) for file in parcel.files) <= 300_000
    assert len(parcel.pictures) == 4


async def test_ten_pictures_leave_no_room_for_an_eleventh_file(
    images: ImageStore, packer: Packer
) -> None:
    shas = await put(images, *(noisy(16, 16) for _ in range(10)))
    parcel = await packer.pack(job_of(*shas, source=shas[0]), limit=2**20, parameters=True)
    assert len(parcel.files) == 10
    assert parcel.source is None


async def test_a_source_that_is_gone_is_left_out(images: ImageStore, packer: Packer) -> None:
    job = job_of(*await put(images, noisy(16, 16)), source="0" * 64)
    assert (await packer.pack(job, limit=2**20, parameters=True)).source is None


async def test_what_cannot_be_packed_is_an_error(images: ImageStore, packer: Packer) -> None:
    with pytest.raises(Gone):
        await packer.pack(job_of("0" * 64), limit=2**20, parameters=True)
    shas = await put(images, noisy(64, 64))
    with pytest.raises(BadPicture):
        await packer.pack(job_of(*shas), limit=10, parameters=True)


def test_alternative_texts_name_the_picture_and_keep_the_limit() -> None:
    one = job_of("a")
    assert alt_text(one, 1) == "a fox"
    long = dataclasses.replace(job_of("a", "b"), recipe=Recipe(prompt="x" * 2000, count=2))
    text = alt_text(long, 2)
    assert text.startswith("Picture 2 of 2: xxx")
    assert text.endswith("…")
    assert len(text) == uploads.MAX_ALT


async def test_a_guild_can_have_pictures_that_say_nothing(
    images: ImageStore, packer: Packer
) -> None:
    bare = noisy(64, 64)
    job = job_of(*await put(images, with_text(bare, {"parameters": "a secret"})))
    told = await packer.pack(job, limit=2**20, parameters=True)
    silent = await packer.pack(job, limit=2**20, parameters=False)
    assert b"a secret" in told.pictures[0].data
    assert silent.pictures[0].data == bare


async def test_a_stored_picture_that_is_none_is_told(images: ImageStore, packer: Packer) -> None:
    for rubbish in (b"", b"\x89PNG\r\n\x1a\n??"):
        job = job_of(*await put(images, rubbish))
        with pytest.raises(BadPicture, match="damaged"):
            await packer.pack(job, limit=2**20, parameters=False)
