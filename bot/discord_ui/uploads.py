"""Makes finished pictures fit through a guild's upload limit, and says what that took."""

import contextlib
from dataclasses import dataclass

from bot.discord_ui.wording import plain
from bot.errors import BadPicture, Gone
from bot.model import Job
from bot.pictures import PictureWorker
from bot.storage.images import ImageStore
from inference.errors import PictureError
from inference.stamps import without_text

MAX_FILES = 10
MAX_ALT = 1024
THUMBNAIL_SIDE = 256

MAX_REQUEST = 25 * 1024 * 1024
"""Bytes of all files of one request together, unless the guild allows a single file to be larger.
Discord publishes no figure for the whole request; this one was its limit for years."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file to attach. name: ASCII letters, digits, dashes and dots; alt: 1…1024 characters."""

    name: str
    data: bytes
    alt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """The files of one result card.

    source: a small picture of the source, or None where it is gone or there is no room for it.
    notes: sentences about how the source was read and what was changed to make the pictures fit.
    """

    pictures: tuple[Upload, ...]
    source: Upload | None = None
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Upload, ...]:
        """All files, pictures first."""
        return (*self.pictures, self.source) if self.source else self.pictures


class Packer:
    """Reads a job's pictures from the store and packs them. All encoding is done elsewhere."""

    def __init__(self, *, images: ImageStore, pictures: PictureWorker) -> None:
        self._images = images
        self._pictures = pictures

    async def pack(self, job: Job, *, limit: int, parameters: bool) -> Parcel:
        """The pictures of a finished job, a ladder's on one sheet; none above `limit` bytes.

        parameters: whether the files say what made the pictures, as the stored ones do.
        Together they stay below MAX_REQUEST, or `limit` where that is more.
        Raises Gone (a picture was removed), BadPicture (one cannot be made small enough).
        """
        pngs = [await self._images.get(sha) for sha in job.results]
        if job.recipe.strengths:
            labels = [f"{strength:g}" for strength in job.recipe.strengths]
            pngs = [await self._pictures.sheet(pngs, labels)]
        if not parameters:
            try:
                pngs = [without_text(png) for png in pngs]
            except PictureError as error:
                raise BadPicture(str(error)) from error
        source = await self._thumbnail(job) if len(pngs) < MAX_FILES else None
        room = max(MAX_REQUEST, limit) - (len(source.data) if source else 0)
        each = limit
        if sum(min(len(png), limit) for png in pngs) > room:
            each = min(limit, room // len(pngs))
        notes: list[str] = []
        uploads = []
        for number, png in enumerate(pngs, start=1):
            encoded = await self._pictures.encode_for_upload(png, each)
            if encoded.note:
                notes.append(encoded.note)
            uploads.append(
                Upload(
                    name=f"palimpsest-{job.id}-{number}.{encoded.extension}",
                    data=encoded.data,
                    alt=alt_text(job, number),
                )
            )
        return Parcel(
            pictures=tuple(uploads), source=source, notes=(*await self._read(job), *_few(notes))
        )

    async def _read(self, job: Job) -> tuple[str, ...]:
        """What is to be said of how the pictures it was made from were read."""
        said: list[str] = []
        second = job.recipe.options.second if job.recipe.options else ""
        for sha, of in ((job.source, ""), (job.second, f"Of the {second}: ")):
            if sha is not None:
                with contextlib.suppress(Gone):
                    note = (await self._images.info(sha)).note
                    said += [f"{of}{note}"] if note else []
        return tuple(said)

    async def _thumbnail(self, job: Job) -> Upload | None:
        if job.source is None:
            return None
        try:
            png = await self._images.get(job.source)
            data = await self._pictures.thumbnail(png, THUMBNAIL_SIDE)
        except (Gone, BadPicture):
            return None  # the card does without
        return Upload(name=f"source-{job.id}.jpg", data=data, alt="The source picture")


def _few(notes: list[str]) -> tuple[str, ...]:
    """Ten pictures need no ten sentences."""
    if len(notes) < 2:
        return tuple(notes)
    others = "one more picture" if len(notes) == 2 else f"{len(notes) - 1} more pictures"
    return (notes[0], f"Likewise {others}.")


def alt_text(job: Job, number: int) -> str:
    """What picture `number` (from 1) shows, for those who do not see it."""
    which = f"Picture {number} of {len(job.results)}: " if len(job.results) > 1 else ""
    if job.recipe.strengths:
        which = f"{len(job.results)} pictures, each painted over further than the last: "
    prompt = plain(job.recipe.prompt, MAX_ALT - len(which))
    return f"{which}{prompt}" if prompt else f"{which}a picture made without a prompt"
