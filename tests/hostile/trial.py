"""One hostile file through the real worker, and what is wrong with what came of it."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from bot.errors import BadPicture
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker
from inference.picture import Normalised
from tests.hostile.build import Hostile

LIMITS = PictureLimits(max_bytes=25 * 2**20, max_pixels=50_000_000, seconds=30)
"""What the bot has by default."""

MAX_MEMORY = 700 * 2**20
MAX_SECONDS = 20.0
MAX_SENTENCE = 200

# Traces of code in a sentence: names, addresses, types, None.
CODE = re.compile(r"[<>{}\[\]]|\w_\w|\b0x|Error|Exception|\bPIL\b|\bNone\b|b'|\w\(\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a file. text: the sentence, or the picture's note."""

    picture: Normalised | None
    text: str
    seconds: float

    @property
    def kind(self) -> str:
        return "picture" if self.picture else "sentence"


async def outcome_of(worker: PictureWorker, hostile: Hostile) -> Outcome:
    begun = time.monotonic()
    try:
        made = await worker.normalise(hostile.data)
    except BadPicture as error:
        return Outcome(picture=None, text=str(error), seconds=time.monotonic() - begun)
    return Outcome(picture=made, text=made.note or "", seconds=time.monotonic() - begun)


def faults(hostile: Hostile, outcome: Outcome) -> Iterator[str]:
    """Everything about the outcome that is not as it must be."""
    if hostile.becomes not in (outcome.kind, "either"):
        yield f"it became a {outcome.kind}"
    if outcome.seconds > MAX_SECONDS:
        yield f"it took {outcome.seconds:.1f} s"
    if hostile.says not in outcome.text:
        yield f"nothing says {hostile.says!r}"
    if outcome.text:
        yield from sentence_faults(outcome.text)
    if outcome.picture:
        yield from picture_faults(hostile, outcome.picture)


def sentence_faults(text: str) -> Iterator[str]:
    if not text.endswith("."):
        yield "no full stop"
    if not text[0].isupper():
        yield "no capital letter"
    if len(text) > MAX_SENTENCE:
        yield f"{len(text)} characters"
    if found := CODE.search(text):
        yield f"{found[0]!r} is no word for a member"


def picture_faults(hostile: Hostile, made: Normalised) -> Iterator[str]:
    image = Image.open(BytesIO(made.data))
    image.load()
    if (image.format, image.mode, image.info) != ("PNG", "RGB", {}):
        yield f"{image.format} {image.mode} with {list(image.info)}"
    if image.size != (made.width, made.height):
        yield f"{image.size} is not {made.width}×{made.height}"
    if hostile.size not in (None, image.size):
        yield f"{image.size} instead of {hostile.size}"
    for position, colour in hostile.looks:
        found = image.getpixel(position)
        assert isinstance(found, tuple)
        if max(abs(a - b) for a, b in zip(found, colour, strict=True)) > hostile.off:
            yield f"{found} instead of {colour} at {position}"
