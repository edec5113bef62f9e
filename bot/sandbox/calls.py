"""One REST call, and the answer to it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class UploadedFile:
    """A file of a multipart request, in the shape that SimCord's handlers read."""

    filename: str
    data: bytes
    description: str | None = None

    @property
    def fp(self) -> io.BytesIO:
        """The bytes, from the beginning."""
        return io.BytesIO(self.data)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a call is told."""

    status: int
    body: Any = None
    trouble: str | None = None
    """What the sandbox could not do, where that is its own limitation and not the bot's fault."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One REST call of the bot."""

    method: str
    path: str
    json: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    files: tuple[UploadedFile, ...] = ()
    reason: str | None = None
