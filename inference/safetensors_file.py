"""What a safetensors file says of itself in its header; nothing here loads torch.

The format: eight bytes with the header's length, the header as JSON, then the tensors' bytes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LONGEST_HEADER = 100_000_000
_SAMPLE = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """shapes: of every tensor by its name. metadata: what whoever wrote it added, all text."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Raises ValueError, which says what is wrong, for a file that is damaged or cut off."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(size - 8, _LONGEST_HEADER):
                raise ValueError("it has no header that fits into it")
            entries = json.loads(file.read(length))
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"its header is not JSON ({error})") from error
    try:
        metadata = entries.pop("__metadata__", None) or {}
        ends = [int(entry["data_offsets"][1]) for entry in entries.values()]
        header = Header(
            shapes={name: tuple(map(int, entry["shape"])) for name, entry in entries.items()},
            metadata={str(name): str(value) for name, value in metadata.items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError("its header does not describe tensors") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise ValueError(f"it has {size} bytes instead of {expected}")
    return header


def fingerprint(path: Path) -> str:
    """16 hex digits over the file's size, its beginning with the header, and its end.

    Two trainings differ in every value, so there is no need to read it all. Raises OSError.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE))
        file.seek(-min(_SAMPLE, size), os.SEEK_END)
        digest.update(file.read())
    return digest.hexdigest()[:16]
