"""Pictures read and written in a process of their own, which may die without harm."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from bot.errors import BadPicture
from bot.picture_frames import LENGTHS, PictureLimits
from inference.picture import MAX_SIDE, EncodedPicture, Normalised
from inference.provenance import Provenance

log = logging.getLogger(__name__)

CHUNK = 256 * 1024
TRIES = 2
MAX_ANSWER = 128 * 2**20


class PictureWorker:
    """One child process that decodes and encodes, started when first needed.

    A picture can neither block the event loop, nor fill the memory, nor take the bot down: the
    process has limits of memory and time and is replaced when it dies. Orders wait for their
    turn in the order they came; whoever holds many pictures at once bounds that itself (see
    `Intake`). Use it as `async with`, or call `close`.

    limits: what it accepts, and how long one order may take.
    """

    def __init__(self, limits: PictureLimits) -> None:
        self._limits = limits
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False
        self.peak_memory = 0
        """Most bytes that the living or a replaced process had resident, as far as known."""
        self.lost = 0
        """How many processes ended in the middle of an order."""

    @property
    def pid(self) -> int | None:
        """The process's id while one lives."""
        return self._process.pid if self._process else None

    async def normalise(self, data: bytes, *, transparency: bool = False) -> Normalised:
        """A source as `inference.images.normalise` makes it. Raises BadPicture."""
        order = {"do": "normalise", "transparency": transparency}
        header, body = await self._order(order, data)
        return Normalised(
            data=body, width=header["width"], height=header["height"], note=header["note"]
        )

    async def encode_for_upload(self, png: bytes, limit: int) -> EncodedPicture:
        """The picture in at most `limit` bytes. Raises BadPicture where that cannot be."""
        if len(png) <= limit:
            return EncodedPicture(data=png, extension="png")  # nearly always; spare the trip
        header, body = await self._order({"do": "encode", "limit": limit}, png)
        return EncodedPicture(data=body, extension=header["extension"], note=header["note"])

    async def thumbnail(self, png: bytes, side: int) -> bytes:
        """A JPEG with sides of at most `side` pixels. Raises BadPicture."""
        _, body = await self._order({"do": "thumbnail", "side": side}, png)
        return body

    async def compare(self, before: bytes, after: bytes) -> tuple[bytes, bytes]:
        """Two PNGs of ours side by side (PNG), and as a wipe (GIF). Raises BadPicture."""
        header, body = await self._order({"do": "compare", "split": len(before)}, before + after)
        return body[: header["split"]], body[header["split"] :]

    async def mask_by_hand(self, original: bytes, painted: bytes) -> bytes:
        """Where a picture was painted over (PNG), of two PNGs of ours. Raises BadPicture."""
        _, body = await self._order({"do": "mask", "split": len(original)}, original + painted)
        return body

    async def sheet(self, pngs: Sequence[bytes], labels: Sequence[str]) -> bytes:
        """PNGs of ours and one size on one labelled sheet (PNG). Raises BadPicture."""
        order = {"do": "sheet", "sizes": [len(png) for png in pngs], "labels": list(labels)}
        _, body = await self._order(order, b"".join(pngs))
        return body

    async def provenance(self, data: bytes) -> Provenance | None:
        """What a stranger's file says made it, None for nothing. Raises BadPicture."""
        header, _ = await self._order({"do": "provenance"}, data)
        return Provenance(**header["said"]) if header["said"] else None

    async def close(self) -> None:
        """Ends the process at once. Idempotent.

        Orders under way and later ones are cancelled: that the bot stops says nothing about
        their pictures, and whoever waits must not tell a member so.
        """
        self._closed = True
        await self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _order(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        async with self._turn:
            for _ in range(TRIES):
                if self._closed:
                    raise asyncio.CancelledError("the picture worker is closed")
                try:
                    answer, data = await self._ask(header, body)
                except (asyncio.IncompleteReadError, ConnectionError):
                    # Perhaps the picture did it, perhaps the machine: a second try tells.
                    log.warning("The picture process died over %r (%d bytes)", header, len(body))
                    continue
                self.peak_memory = max(self.peak_memory, answer["peak"])
                if "error" in answer:
                    raise BadPicture(answer["error"])
                return answer, data
        raise BadPicture(
            "The picture cannot be decoded: the decoder fails on it; save it as a new PNG or JPEG."
        )

    async def _ask(self, header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """One exchange. A process left in the middle of one is ended: it is out of step."""
        process = await self._started()
        try:
            async with asyncio.timeout(self._limits.seconds):
                await _send(process, header, body)
                answer = await _receive(process)
        except TimeoutError as error:
            self.lost += 1
            await self._end()
            raise BadPicture(
                f"Reading the picture takes more than {self._limits.seconds:g} seconds; "
                f"save it as a new PNG or JPEG of at most {MAX_SIDE}×{MAX_SIDE} pixels."
            ) from error
        except BaseException:
            self.lost += 1
            await self._end()
            raise
        return answer

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot.picture_process",
            self._limits.to_json(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Fewer arenas and threads: each reserves address space, which is what is limited.
            env=os.environ | {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"},
            limit=CHUNK,
            start_new_session=True,  # Ctrl-C is for the bot, which then ends it
        )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):  # it may be gone already
            process.kill()  # it has nothing to save
        await process.wait()


async def _send(process: asyncio.subprocess.Process, header: dict[str, Any], body: bytes) -> None:
    """Raises ConnectionError where the process is dead."""
    assert process.stdin is not None
    encoded = json.dumps(header).encode()
    process.stdin.write(LENGTHS.pack(len(encoded), len(body)) + encoded)
    # In pieces: the transport would copy what the pipe does not take at once.
    view = memoryview(body)
    for start in range(0, len(body), CHUNK):
        process.stdin.write(view[start : start + CHUNK])
        await process.stdin.drain()
    await process.stdin.drain()


async def _receive(process: asyncio.subprocess.Process) -> tuple[dict[str, Any], bytes]:
    """Raises IncompleteReadError or ConnectionError where the process dies or runs wild."""
    assert process.stdout is not None
    first, second = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    if max(first, second) > MAX_ANSWER:
        raise ConnectionError("the picture process answers nonsense")
    header = json.loads(await process.stdout.readexactly(first))
    return header, await process.stdout.readexactly(second)
