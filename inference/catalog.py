"""Which models there are; see `inference.model_info` for what is known of each."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from inference.errors import ModelError, RequestError
from inference.model_info import ModelInfo, describe, folder_of, revision, title_of
from inference.request import Recipe
from inference.shelf import Shelf, check_loras, fits
from inference.tasks.alone import check_alone, keeps_a_part
from inference.tasks.edit import no_editor
from inference.tasks.style import TASK as STYLE
from inference.tasks.style import check_style

__all__ = ["POCKET", "Catalog", "ModelInfo", "answers_once", "revision"]

POCKET = Path(__file__).absolute().parent / "pocket"

TASK_MODELS = {"colorize": "pix2pix-color", "sketch": "pix2pix-sketch"}
"""Embedded models that do one task, see `answers_once`."""

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")

_log = logging.getLogger(__name__)


def answers_once(model: str) -> bool:
    """Whether it is an embedded one that nothing steers: a source has one answer."""
    return model in TASK_MODELS.values()


def embedded() -> list[Path]:
    """The folders of the models that come with the project, pocket first."""
    others = sorted(path.parent for path in POCKET.parent.glob("*/model_index.json"))
    return [POCKET, *(folder for folder in others if folder != POCKET)]


class Catalog:
    """The embedded models, those in the owner's folder, and the one that the settings name.

    models_folder: every diffusers folder directly in it is an entry under its own name; `shelf`
        has the LoRAs and embeddings in it.
    default: an entry's id, a local diffusers folder or a hub repository. The latter two become
        entries; a broken one too, so that it is the executor that says what is wrong with it.

    Files are read when asked for, so a folder that is added needs no restart.
    """

    def __init__(self, models_folder: Path | None = None, *, default: str = "pocket") -> None:
        self._folder = None if models_folder is None else models_folder.absolute()
        self._default = default
        self.shelf = Shelf(self._folder)
        self._read: dict[Path, tuple[tuple[int, ...], ModelInfo | None]] = {}

    def list(self) -> list[ModelInfo]:
        """All entries, the default one first."""
        entries = self._entries()
        default = self._default_of(entries)
        found = [*entries.values()]
        if default is not None:
            found = [default, *(info for info in found if info.location != default.location)]
        return [self._with_adapters(info) for info in found]

    def made_for(self, task: str, *, steered: bool = False) -> str | None:
        """The entry that was made for this task alone, or None.

        steered: whether more is asked for than that, which leaves drawings to other models.
        """
        made = None if steered and task == "sketch" else TASK_MODELS.get(task)
        return made if made in {folder.name for folder in embedded()} else None

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
            return self._with_adapters(entries[name])
        ids = list(dict.fromkeys(info.id for info in entries.values()))
        near = get_close_matches(name, ids, n=3, cutoff=0.5) or ids[:3]
        raise RequestError(f"There is no model “{name}”; the nearest is {' or '.join(near)}.")

    def loras_for(self, model: str) -> tuple[str, ...]:
        """The names of the LoRAs that may fit a model. Raises RequestError for an unknown one."""
        info = self.find(model)
        return tuple(lora.name for lora in self.shelf.loras() if fits(lora, info))

    def first_that(self, can: Callable[[ModelInfo], bool]) -> str | None:
        """The entry for what only some can, or None: the default one if it can, else one of the
        owner's, else an embedded one."""
        default, *others = self.list()
        small = {str(folder) for folder in embedded()}
        others.sort(key=lambda info: info.location in small)
        return next((info.id for info in (default, *others) if can(info)), None)

    def editor(self) -> str | None:
        """The entry that follows instructions where a member names none, or None."""
        return self.first_that(lambda info: info.follows_instructions)

    def check(self, recipe: Recipe) -> None:
        """Raises RequestError for what the model cannot do, naming models that can where that
        helps, and for a LoRA that is unknown, damaged or made for another model.
        """
        info = self.find(recipe.model)
        if info.family:  # of one that is not downloaded yet nothing is known
            self._check_task(recipe, info)
        if recipe.task == STYLE:
            check_style(recipe, info, self.list())
        check_loras(recipe.loras, self.shelf, info)

    def _check_task(self, recipe: Recipe, info: ModelInfo) -> None:
        if not info.shares_steps:
            check_alone(recipe, info, masked=keeps_a_part(recipe, info))
        if recipe.task == "edit" and not info.follows_instructions:
            able = [other.id for other in self.list() if other.follows_instructions]
            raise RequestError(no_editor(info.id, able[:3]))

    def _with_adapters(self, info: ModelInfo) -> ModelInfo:
        return replace(info, adapters=None if self._folder is None else str(self._folder))

    def _entries(self) -> dict[str, ModelInfo]:
        entries = {POCKET.name: self._describe(POCKET) or _unread(POCKET.name, str(POCKET))}
        for folder in (*embedded()[1:], *self._owners_folders()):
            info = self._describe(folder)
            if info is not None:
                entries.setdefault(info.id, info)
        return entries

    def _owners_folders(self) -> Iterator[Path]:
        if self._folder is None or not self._folder.is_dir():
            return
        for folder in sorted(self._folder.iterdir()):
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
        """`describe`, remembered until what it reads changes; None where it is broken."""
        before, known = self._read.get(folder, (None, None))
        stamp = tuple(_stamp(path) for path in _read_for(folder, known))
        if before == stamp:
            return known
        info: ModelInfo | None = None
        try:
            info = describe(folder)
        except ModelError as error:
            _log.warning("A model folder cannot be used: %s", error)
        self._read[folder] = (stamp, info)
        return info


def _read_for(folder: Path, known: ModelInfo | None) -> Iterator[Path]:
    """What `describe` looks at, there or not: a download may be seen before it is complete.

    known: what it said last, which may name another autoencoder.
    """
    parts = ("unet", "transformer", "vae")
    yield from (folder / name for name in ("model_index.json", "palimpsest.json", "config.json"))
    yield from (folder / part / "config.json" for part in parts)
    yield folder / "scheduler" / "scheduler_config.json"
    yield from (folder / name for name in ("controlnet", "ip_adapter", "composer", "details"))
    if known is not None and known.vae is not None:
        yield Path(known.vae) / "config.json"


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _unread(name: str, location: str) -> ModelInfo:
    """What is assumed of a model whose files cannot be read (yet)."""
    return ModelInfo(id=name, title=title_of(name), location=location)
