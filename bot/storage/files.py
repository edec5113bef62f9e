"""A folder of files named by the hash of their content. Everything here blocks: call in a thread.

A file appears complete or not at all, whatever dies when: it is written under another
name, flushed to the disk and renamed.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_PART = ".part"


class ContentFolder:
    """root/ab/abcdef…: the first two letters of the hash keep the folders small."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @staticmethod
    def name(data: bytes) -> str:
        """The SHA-256 of the content, in hex."""
        return hashlib.sha256(data).hexdigest()

    def path(self, sha: str) -> Path:
        """Where the content lies, if it is there."""
        return self._root / sha[:2] / sha

    def write(self, sha: str, data: bytes) -> None:
        """Makes the content durable; nothing is written when it lies there already."""
        path = self.path(sha)
        if path.exists() and path.stat().st_size == len(data):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{sha}.{secrets.token_hex(4)}{_PART}")
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        _sync_folder(self._root)

    def read(self, sha: str) -> bytes:
        """The content. Raises FileNotFoundError."""
        return self.path(sha).read_bytes()

    def remove(self, sha: str) -> None:
        """Removes the content where it is there."""
        self.path(sha).unlink(missing_ok=True)

    def older_than(self, unix_time: float) -> list[str]:
        """Hashes whose file was last written before then; abandoned parts that old are removed."""
        names = []
        for path in self._files():
            try:
                if path.stat().st_mtime >= unix_time:
                    continue
                if path.name.endswith(_PART):
                    path.unlink()
                else:
                    names.append(path.name)
            except FileNotFoundError:  # removed or renamed under our hands
                continue
        return names

    def _files(self) -> Iterator[Path]:
        if self._root.exists():
            for folder in self._root.iterdir():
                if folder.is_dir():
                    yield from folder.iterdir()


def _sync_folder(folder: Path) -> None:
    """A rename is durable only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
