"""What the bot and its picture process agree on: limits and the form of a message."""

import json
import struct
from dataclasses import asdict, dataclass

from inference.picture import MAX_SIDE

LENGTHS = struct.Struct(">II")
"""Begins every message: the lengths of the JSON object and of the bytes that follow it."""

BASE_MEMORY = 384 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureLimits:
    """What the picture process may use and accept.

    max_bytes, max_pixels, max_side: of sources, see `inference.images.normalise`.
    seconds: per order, wall clock.
    bytes_per_pixel: of memory; the hungriest decoders (WebP and AVIF) with everything around
        them hold four or five copies of 4 bytes.
    """

    max_bytes: int
    max_pixels: int
    max_side: int = MAX_SIDE
    seconds: float = 30.0
    bytes_per_pixel: int = 20

    @property
    def memory(self) -> int:
        """Address space for the process, in bytes."""
        return BASE_MEMORY + self.bytes_per_pixel * self.max_pixels + 2 * self.max_bytes

    def to_json(self) -> str:
        """One JSON object; `from_json` reads it back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "PictureLimits":
        """The inverse of `to_json`."""
        return PictureLimits(**json.loads(text))
