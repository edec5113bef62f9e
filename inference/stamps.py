"""What made a picture, written into its file: PNG text, and EXIF where a file has no text.

A PNG is not encoded anew: its text chunks (PNG specification, third edition, 11.3.3) go behind
the header, and everything else stays byte for byte.
"""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping

from inference.errors import PictureError
from inference.infotext import write_infotext
from inference.request import Recipe
from inference.result import GeneratedImage, GenerationResult

PARAMETERS = "parameters"
"""The key under which other programs look for the infotext."""

OWN = "palimpsest"
"""The key of our own record, a JSON object: what `record` gives."""

EXIF_IFD, USER_COMMENT, DESCRIPTION = 0x8769, 0x9286, 0x010E
"""Where EXIF has text: the comment, which begins with eight bytes that name its encoding and lies
in a directory of its own, and the description."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def record(recipe: Recipe, result: GenerationResult, image: GeneratedImage) -> dict[str, object]:
    """Everything needed to make this one picture again from the same source."""
    alone = recipe.change(seed=image.seed, count=1)
    return {
        "recipe": json.loads(alone.to_json()),
        "size": f"{image.width}x{image.height}",
        "revision": result.revision,
        "scheduler": result.scheduler,
        "batch_shape": result.batch_shape,
        "versions": dict(result.versions),
    }


def stamped(image: GeneratedImage, recipe: Recipe, result: GenerationResult) -> bytes:
    """The picture's PNG with what made it; the infotext knows of nothing but models."""
    own = json.dumps(record(recipe, result, image), sort_keys=True)  # ASCII, as EXIF wants it
    texts = {OWN: own}
    if recipe.paints:
        texts[PARAMETERS] = write_infotext(
            recipe,
            seed=image.seed,
            size=(image.width, image.height),
            scheduler=result.scheduler,
            model_hash=result.revision[:10],
        )
    return with_text(image.data, texts)


def with_text(png: bytes, texts: Mapping[str, str]) -> bytes:
    """The same picture with these texts and no others. Raises PictureError for no PNG of ours."""
    chunks = [chunk for chunk in _chunks(png) if chunk[4:8] not in (b"tEXt", b"iTXt", b"zTXt")]
    if not chunks:
        raise PictureError("The stored picture is damaged; make it again.")
    header, *rest = chunks
    return b"".join([_SIGNATURE, header, *(_text(*text) for text in texts.items()), *rest])


def without_text(png: bytes) -> bytes:
    """The same picture and nothing that tells what made it."""
    return with_text(png, {})


def _text(key: str, text: str) -> bytes:
    """A chunk of text: Latin-1 where that is enough, as more programs read it, else UTF-8."""
    text = text.replace("\0", "")  # would end it
    try:
        return _chunk(b"tEXt", key.encode("latin-1") + b"\0" + text.encode("latin-1"))
    except UnicodeEncodeError:
        # no compression, no language, no translated key
        return _chunk(b"iTXt", key.encode("latin-1") + bytes(5) + text.encode("utf-8"))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(png: bytes) -> Iterator[bytes]:
    """The chunks of a PNG of ours, whole."""
    place = len(_SIGNATURE)
    while place < len(png):
        try:
            (length,) = struct.unpack_from(">I", png, place)
        except struct.error as error:
            raise PictureError("The stored picture is damaged; make it again.") from error
        yield png[place : place + length + 12]
        place += length + 12
