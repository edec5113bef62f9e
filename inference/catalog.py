"""Which models there are; see `inference.model_info` for what is known of each."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from inference.errors import ModelError, RequestError
from inference.model_info import ModelInfo, describe, folder_of, revision, title_of

__all__ = ["POCKET", "Catalog", "ModelInfo", "revision"]

POCKET = Path(__file__).absolute().parent / "pocket"

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")

_log = logging.getLogger(__name__)


class Catalog:
    """The embedded model, those in the owner's folder, and the one that the settings name.

    models_folder: every diffusers folder directly in it is an entry under its own name.
    default: an entry's id, a local diffusers folder or a hub repository. The latter two become
        entries; a broken one too, so that it is the executor that says what is wrong with it.

    Files are read when asked for, so a folder that is added needs no restart.
    """

    def __init__(self, models_folder: Path | None = None, *, default: str = "pocket") -> None:
        self._folder = models_folder
        self._default = default
        self._read: dict[Path, tuple[int, ModelInfo | None]] = {}

    def list(self) -> list[ModelInfo]:
        """All entries, the default one first."""
        entries = self._entries()
        default = self._default_of(entries)
        if default is None:
            return [*entries.values()]
        return [default, *(info for info in entries.values() if info.location != default.location)]

    def find(self, name: str) -> ModelInfo:
        """The entry with this id; the default also by the name that the settings give it.

        Raises RequestError that names the nearest entries. A folder or repository that is
        no entry is unknown: members choose among what the owner offers.
        """
        entries = self._entries()
        default = self._default_of(entries)
        if default is not None:
            entries = {default.id: default, self._default: default} | entries
        if name in entries:
            return entries[name]
        ids = list(dict.fromkeys(info.id for info in entries.values()))
        near = get_close_matches(name, ids, n=3, cutoff=0.4) or ids[:3]
        raise RequestError(f"There is no model “{name}”; the nearest is {' or '.join(near)}.")

    def _entries(self) -> dict[str, ModelInfo]:
        entries = {POCKET.name: self._describe(POCKET) or _unread(POCKET.name, str(POCKET))}
        for folder in self._owners_folders():
            info = self._describe(folder)
            if info is not None:
                entries.setdefault(info.id, info)
        return entries

    def _owners_folders(self) -> Iterator[Path]:
        if self._folder is None or not self._folder.is_dir():
            return
        for folder in sorted(self._folder.absolute().iterdir()):
            if (folder / "model_index.json").is_file():
                yield folder

    def _default_of(self, entries: dict[str, ModelInfo]) -> ModelInfo | None:
        """What the settings name, or None if it is no entry, no folder and no repository."""
        if self._default in entries:
            return entries[self._default]
        path = Path(self._default).expanduser()
        if path.is_dir() or path.is_absolute() or self._default.startswith("."):
            path = path.absolute()
            info = self._describe(path) or _unread(path.name, str(path))
            same_name = entries.get(info.id)
            if same_name is None or same_name.location == info.location:
                return info
            return replace(info, id=f"{path.parent.name}/{path.name}")
        if not _HUB_NAME.fullmatch(self._default):
            return None
        unread = _unread(self._default, self._default)
        snapshot = folder_of(self._default)
        known = self._describe(snapshot) if snapshot is not None else None
        if known is None:
            return unread
        return replace(known, id=unread.id, title=unread.title, location=unread.location)

    def _describe(self, folder: Path) -> ModelInfo | None:
        """`describe`, remembered until its index files change; None where it is broken."""
        stamp = _stamp(folder / "model_index.json") + _stamp(folder / "palimpsest.json")
        known = self._read.get(folder)
        if known is not None and known[0] == stamp:
            return known[1]
        info: ModelInfo | None = None
        try:
            info = describe(folder)
        except ModelError as error:
            _log.warning("A model folder cannot be used: %s", error)
        self._read[folder] = (stamp, info)
        return info


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _unread(name: str, location: str) -> ModelInfo:
    """What is assumed of a model whose files cannot be read (yet)."""
    return ModelInfo(id=name, title=title_of(name), location=location)
