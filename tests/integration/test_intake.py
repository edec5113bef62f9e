"""Attachments over real sockets: limits, stalls, expiry, redirects; and into the real store."""

import asyncio
import time
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image
from yarl import URL

from bot.discord_ui.intake import AT_ONCE, Intake, fetch
from bot.errors import BadPicture
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker
from bot.settings import Settings
from tests.joblog import JobLog

LIMIT = 200_000


def animation() -> bytes:
    out = BytesIO()
    frames = [Image.new("RGB", (60, 40), (level, 80, 20)) for level in (200, 100, 0)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


class Cdn:
    """Serves one file in many ways."""

    def __init__(self) -> None:
        self.data = animation()
        self.asked: list[str] = []
        self.failures = 0
        self.at_once = self.most_at_once = 0
        self.lift, self.full = asyncio.Event(), asyncio.Event()
        app = web.Application()
        app.router.add_get("/{how}{rest:.*}", self.answer)
        self.server = TestServer(app)

    @property
    def origins(self) -> frozenset[URL]:
        return frozenset({self.server.make_url("/").origin()})

    def url(self, path: str) -> str:
        return str(self.server.make_url("/")) + path

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        how = request.match_info["how"]
        if how == "redirect":
            return web.Response(status=302, headers={"Location": request.query["to"]})
        if how.isdigit():
            return web.Response(status=int(how))
        if how == "flaky" and self.failures:
            self.failures -= 1
            return web.Response(status=503)
        if how == "packed":
            return web.Response(body=self.data, headers={"Content-Encoding": "br"})
        response = web.StreamResponse()
        if how in ("plain", "stall", "cut"):
            response.content_length = len(self.data)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.at_once == AT_ONCE:
            self.full.set()
        try:
            await response.prepare(request)
            if how == "endless":
                while True:
                    await response.write(bytes(65536))
            half = len(self.data) // 2
            await response.write(self.data[:half])
            if how in ("stall", "cut"):
                if how == "cut" and request.transport is not None:
                    request.transport.close()
                await self.lift.wait()
            await asyncio.sleep(0)
            await response.write(self.data[half:])
        finally:
            self.at_once -= 1
        return response


@pytest.fixture
async def cdn() -> AsyncIterator[Cdn]:
    cdn = Cdn()
    await cdn.server.start_server()
    yield cdn
    cdn.lift.set()
    await cdn.server.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(
    session: aiohttp.ClientSession, cdn: Cdn, path: str, *, limit: int = LIMIT, stall: float = 5
) -> bytes:
    return await fetch(
        session, cdn.url(path), limit=limit, timeout=20, stall=stall, origins=cdn.origins
    )


@pytest.mark.parametrize("how", ["plain", "chunked"])
async def test_the_bytes_arrive(session: aiohttp.ClientSession, cdn: Cdn, how: str) -> None:
    assert await get(session, cdn, how) == cdn.data


async def test_the_address_is_sent_as_it_was_signed(
    session: aiohttp.ClientSession, cdn: Cdn
) -> None:
    path = "plain/1/2/a%28b%29%20c%7E.png?ex=6a&is=5b&hm=%2F0&"
    await get(session, cdn, path)
    assert cdn.asked == ["/" + path]


async def test_an_announced_size_above_the_limit_is_refused_unread(
    session: aiohttp.ClientSession, cdn: Cdn
) -> None:
    with pytest.raises(BadPicture, match=r"^The attachment has \d+ bytes; at most 99 bytes are"):
        await get(session, cdn, "stall", limit=99)


async def test_an_endless_answer_is_read_as_far_as_the_limit(
    session: aiohttp.ClientSession, cdn: Cdn
) -> None:
    with pytest.raises(BadPicture, match=r"larger than the 195\.3 KiB that are allowed\.$"):
        await get(session, cdn, "endless")


async def test_a_stall_is_noticed(session: aiohttp.ClientSession, cdn: Cdn) -> None:
    begun = time.monotonic()
    with pytest.raises(BadPicture, match="stopped arriving from Discord"):
        await get(session, cdn, "stall", stall=0.1)
    assert time.monotonic() - begun < 5


async def test_time_is_limited_in_all(session: aiohttp.ClientSession, cdn: Cdn) -> None:
    with pytest.raises(BadPicture, match="stopped arriving from Discord"):
        await fetch(session, cdn.url("stall"), limit=LIMIT, timeout=0.2, origins=cdn.origins)


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_expired_address_says_so(
    session: aiohttp.ClientSession, cdn: Cdn, status: int
) -> None:
    with pytest.raises(BadPicture, match=r"^The attachment has expired; post it again\.$"):
        await get(session, cdn, str(status))
    assert len(cdn.asked) == 1


async def test_a_failure_that_passes_is_tried_again(
    session: aiohttp.ClientSession, cdn: Cdn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_ui.intake.FIRST_PAUSE", 0.01)
    cdn.failures = 2
    assert await get(session, cdn, "flaky") == cdn.data
    assert len(cdn.asked) == 3


@pytest.mark.parametrize("how", ["503", "429", "cut", "packed"])
async def test_a_failure_that_stays_is_told_after_three_tries(
    session: aiohttp.ClientSession, cdn: Cdn, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("bot.discord_ui.intake.FIRST_PAUSE", 0.01)
    with pytest.raises(BadPicture, match="cannot be downloaded from Discord at the moment"):
        await get(session, cdn, how)
    assert len(cdn.asked) == 3


@pytest.mark.parametrize("how", ["204", "400"])
async def test_an_odd_answer_is_told_at_once(
    session: aiohttp.ClientSession, cdn: Cdn, how: str
) -> None:
    with pytest.raises(BadPicture, match="cannot be downloaded from Discord at the moment"):
        await get(session, cdn, how)
    assert len(cdn.asked) == 1


async def test_a_redirect_is_followed_at_home_only(
    session: aiohttp.ClientSession, cdn: Cdn
) -> None:
    assert await get(session, cdn, "redirect?to=/plain") == cdn.data
    for elsewhere in ("http://169.254.169.254/latest", "//localhost/x", "file:///etc/passwd"):
        with pytest.raises(BadPicture, match="does not lie at Discord"):
            await get(session, cdn, f"redirect?to={elsewhere}")


async def test_redirects_end(session: aiohttp.ClientSession, cdn: Cdn) -> None:
    with pytest.raises(BadPicture, match="cannot be downloaded"):
        await get(session, cdn, "redirect?to=/redirect?to=/redirect?to=/redirect?to=/plain")
    assert len(cdn.asked) <= 3


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/a.png",
        "http://cdn.discordapp.com/a.png",  # not encrypted
        "https://cdn.discordapp.com.evil.example/a.png",
        "https://cdn.discordapp.com@evil.example/a.png",
        "https://cdn.discordapp.com:8443/a.png",
        "https://CDN.discordapp.com evil/a.png",
        "https://cdn.discordapp.com/a\r\nHost: evil",
        "ftp://cdn.discordapp.com/a.png",
        "file:///etc/passwd",
        "/attachments/1/2/a.png",
        "",
    ],
)
async def test_only_discord_is_asked(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(BadPicture, match=r"does not lie at Discord; post it here as an attachment"):
        await fetch(session, url, limit=LIMIT)


async def test_a_taken_picture_is_normalised_and_stored(
    session: aiohttp.ClientSession, cdn: Cdn, tmp_path: Path
) -> None:
    async with (
        JobLog.open(tmp_path) as log,
        PictureWorker(PictureLimits(max_bytes=LIMIT, max_pixels=10**6)) as pictures,
    ):
        settings = Settings(
            _env_file=None, discord_api_url=cdn.url("api/v10"), max_source_bytes=LIMIT
        )
        intake = Intake(session=session, pictures=pictures, images=log.images, settings=settings)
        sha = await intake.take(cdn.url("plain/a.gif"))
        info = await log.images.info(sha)
        assert info.note == "Only the first of 3 frames is used."
        assert (info.width, info.height, info.role, info.mime) == (60, 40, "source", "image/png")
        image = Image.open(BytesIO(await log.images.get(sha)))
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (60, 40))
        assert await intake.take(cdn.url("chunked/b.gif")) == sha  # the same content

        cdn.data = b"<html>"
        with pytest.raises(BadPicture, match="The file is a web page"):
            await intake.take(cdn.url("plain/a.gif"))


async def test_only_so_many_are_in_memory_at_once(
    session: aiohttp.ClientSession, cdn: Cdn, tmp_path: Path
) -> None:
    async with (
        JobLog.open(tmp_path) as log,
        PictureWorker(PictureLimits(max_bytes=LIMIT, max_pixels=10**6)) as pictures,
    ):
        settings = Settings(
            _env_file=None, discord_api_url=cdn.url("api/v10"), max_source_bytes=LIMIT
        )
        intake = Intake(session=session, pictures=pictures, images=log.images, settings=settings)
        wanted = [intake.take(cdn.url("stall/a.gif")) for _ in range(3 * AT_ONCE)]
        taking = asyncio.gather(*wanted)
        async with asyncio.timeout(10):
            await cdn.full.wait()
        cdn.lift.set()
        assert len(set(await taking)) == 1
        assert cdn.most_at_once == AT_ONCE
