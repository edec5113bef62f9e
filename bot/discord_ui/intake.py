"""From an attachment's address to a stored source picture."""

import asyncio
import hashlib
from dataclasses import dataclass

import aiohttp
from yarl import URL

from bot.errors import BadPicture
from bot.pictures import PictureWorker
from bot.settings import Settings
from bot.storage.images import ImageStore
from inference.encoding import is_see_through
from inference.picture import size_text
from inference.provenance import Provenance

DISCORD_CDN = frozenset(
    URL(f"https://{host}")
    for host in (
        "cdn.discordapp.com",
        "media.discordapp.net",
        # What embeds show lies elsewhere and comes through these.
        "images-ext-1.discordapp.net",
        "images-ext-2.discordapp.net",
    )
)

TOTAL_SECONDS = 60.0
STALL_SECONDS = 10.0
TRIES = 3
FIRST_PAUSE = 0.5
MAX_HOPS = 3
CHUNK = 64 * 1024
AT_ONCE = 4

EXPIRED = "The attachment has expired; post it again."
UNREACHABLE = "The attachment cannot be downloaded from Discord at the moment; try again later."


class _TryAgain(Exception):
    """The download failed in a way that a second try may mend."""


async def fetch(
    session: aiohttp.ClientSession,
    url: str,
    *,
    limit: int,
    timeout: float = TOTAL_SECONDS,
    stall: float = STALL_SECONDS,
    origins: frozenset[URL] = DISCORD_CDN,
) -> bytes:
    """The attachment's bytes.

    limit: bytes; more are never read. timeout: seconds for everything, stall: seconds without
    a byte. origins: scheme, host and port that may be asked, also after a redirect; anything
    else could make the bot read its owner's network.

    Raises BadPicture with a sentence for the member.
    """
    try:
        async with asyncio.timeout(timeout):
            for number in range(TRIES):
                if number:
                    await asyncio.sleep(FIRST_PAUSE * 2**number)
                try:
                    return await _download(session, url, limit=limit, stall=stall, origins=origins)
                except TimeoutError:
                    raise  # aiohttp's are ClientErrors too; after a stall the next try stalls too
                except (_TryAgain, aiohttp.ClientError, ConnectionError):
                    continue
    except TimeoutError as error:
        raise BadPicture(
            "The attachment stopped arriving from Discord; try again, or post it again."
        ) from error
    raise BadPicture(UNREACHABLE)


async def _download(
    session: aiohttp.ClientSession,
    url: str,
    *,
    limit: int,
    stall: float,
    origins: frozenset[URL],
) -> bytes:
    address = _checked(url, origins)
    for _ in range(MAX_HOPS):
        async with session.get(
            address,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=stall, sock_read=stall),
            # Packed bytes would make `limit` count something else than what arrives.
            headers={"Accept-Encoding": "identity"},
        ) as response:
            if response.status in (301, 302, 303, 307, 308):
                target = address.join(URL(response.headers.get("Location", ""), encoded=True))
                address = _checked(str(target), origins)
                continue
            _check_status(response)
            return await _read(response, limit)
    raise BadPicture(UNREACHABLE)


def _checked(url: str, origins: frozenset[URL]) -> URL:
    """The address as it was written (its signature counts on it), if it may be asked."""
    try:
        if url.isascii() and url.isprintable() and " " not in url:
            address = URL(url, encoded=True)
            if address.origin() in origins:
                return address
    except ValueError:
        pass  # not an absolute address
    raise BadPicture("The picture does not lie at Discord; post it here as an attachment.")


def _check_status(response: aiohttp.ClientResponse) -> None:
    if response.status in (403, 404, 410):
        raise BadPicture(EXPIRED)
    if response.status == 429 or response.status >= 500:
        raise _TryAgain
    if response.status != 200 or "Content-Encoding" in response.headers:
        raise BadPicture(UNREACHABLE)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    announced = response.content_length or 0
    if announced > limit:
        raise BadPicture(
            f"The attachment has {size_text(announced)}; at most {size_text(limit)} are allowed."
        )
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(CHUNK):
        size += len(chunk)
        if size > limit:
            raise BadPicture(
                f"The attachment is larger than the {size_text(limit)} that are allowed."
            )
        chunks.append(chunk)
    return b"".join(chunks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A posted file: its SHA-256 in hex, and what it says made it."""

    sha: str
    said: Provenance | None


class Intake:
    """Fetches, normalises and stores attachments, AT_ONCE at a time.

    That bounds what strangers' files take of the bot's memory; the others wait as addresses.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        pictures: PictureWorker,
        images: ImageStore,
        settings: Settings,
    ) -> None:
        self._session = session
        self._pictures = pictures
        self._images = images
        self._limit = settings.max_source_bytes
        # Another server than Discord's serves its attachments itself.
        self._origins = DISCORD_CDN | {URL(settings.discord_api_url).origin()}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def look(self, url: str) -> Look:
        """What is behind the address; nothing is stored. Raises BadPicture, as for `take`."""
        async with self._places:
            data = await self._fetch(url)
            sha = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
            return Look(sha=sha, said=await self._pictures.provenance(data))

    async def read(self, url: str) -> bytes:
        """The picture as a PNG, normalised; nothing is stored. Raises BadPicture."""
        async with self._places:
            return (await self._pictures.normalise(await self._fetch(url))).data

    async def _fetch(self, url: str) -> bytes:
        return await fetch(self._session, url, limit=self._limit, origins=self._origins)

    async def take(self, url: str, *, transparency: bool = False) -> str:
        """The stored source's hash. Raises BadPicture with a sentence for the member.

        transparency: whether transparent parts stay so, as in `inference.images.normalise`.
        """
        async with self._places:
            data = await self._fetch(url)
            picture = await self._pictures.normalise(data, transparency=transparency)
        return await self._images.put(
            picture.data,
            role="source",
            width=picture.width,
            height=picture.height,
            note=picture.note,
        )

    async def take_painted(self, url: str, *, over: str) -> str:
        """The hash of the stored mask that shows where a picture was painted over.

        over: its hash, of before. Raises BadPicture, Gone.
        """
        original = await self._images.get(over)
        async with self._places:
            data = await self._fetch(url)
            painted = (await self._pictures.normalise(data, transparency=True)).data
            mask = await self._pictures.mask_by_hand(original, painted)
        known = await self._images.info(over)
        return await self._images.put(mask, role="source", width=known.width, height=known.height)

    async def is_see_through(self, sha: str) -> bool:
        """Whether a stored picture has transparent parts. Raises Gone."""
        return is_see_through(await self._images.get(sha))
