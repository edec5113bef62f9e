"""The owner's adapters: LoRAs and textual-inversion embeddings. Nothing here loads torch.

In the models folder, `loras/NAME.safetensors` and `embeddings/NAME.safetensors`. Files are looked
for when asked, so one that is added needs no restart, and they are known by their headers alone.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Generic, TypeVar

from inference.errors import RequestError
from inference.lora_header import LoraFacts, read_facts
from inference.loras import LoraUse, is_name
from inference.model_info import ModelInfo
from inference.safetensors_file import fingerprint, read_header

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraFile:
    """One LoRA. revision: a fingerprint of its content. facts: what it was made for."""

    name: str
    path: Path
    revision: str
    facts: LoraFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingFile:
    """One textual inversion. shapes: of the tensors in it; revision: a fingerprint."""

    name: str
    path: Path
    revision: str
    shapes: Mapping[str, tuple[int, ...]]


Known = TypeVar("Known", LoraFile, EmbeddingFile)


class Shelf:
    """folder: the models folder, or None where the owner has none."""

    def __init__(self, folder: Path | None = None) -> None:
        self._loras = _Drawer("LoRA", folder and folder / "loras", _read_lora)
        self._embeddings = _Drawer("embedding", folder and folder / "embeddings", _read_embedding)

    def loras(self) -> list[LoraFile]:
        """Those that can be used, by name; of the others the log tells."""
        return self._loras.usable()

    def lora(self, name: str) -> LoraFile:
        """Raises RequestError that names the nearest ones, or says what is wrong with the file."""
        return self._loras.find(name)

    def add_lora(self, path: Path) -> str:
        """Makes a file known from elsewhere; gives the name to ask for it by.

        Raises RequestError where that name is taken or cannot be one.
        """
        return self._loras.add(path)

    def embeddings(self) -> list[str]:
        """The names of all embeddings, usable or not."""
        return list(self._embeddings.paths())

    def embedding(self, name: str) -> EmbeddingFile:
        """Raises RequestError likewise."""
        return self._embeddings.find(name)


class _Drawer(Generic[Known]):
    """The files of one folder, read again when they change. kind: what to call one."""

    def __init__(self, kind: str, folder: Path | None, read: Callable[[str, Path], Known]) -> None:
        self._kind = kind
        self._folder = folder
        self._read: Callable[[str, Path], Known] = read
        self._added: dict[str, Path] = {}
        self._known: dict[Path, tuple[tuple[int, int], Known | RequestError]] = {}

    def paths(self) -> dict[str, Path]:
        if self._folder is None or not self._folder.is_dir():
            return dict(self._added)
        files = self._folder.absolute().glob("*.safetensors")
        found = {path.stem: path for path in files if is_name(path.stem)} | self._added
        return dict(sorted(found.items()))

    def find(self, name: str) -> Known:
        paths = self.paths()
        if name not in paths:
            raise RequestError(_unknown(self._kind, name, sorted(paths)))
        known = self._get(name, paths[name])
        if isinstance(known, RequestError):
            raise known
        return known

    def usable(self) -> list[Known]:
        return list(self._usable())

    def _usable(self) -> Iterator[Known]:
        for name, path in self.paths().items():
            known = self._get(name, path)
            if not isinstance(known, RequestError):
                yield known

    def add(self, path: Path) -> str:
        path = path.absolute()
        if not path.is_file():
            raise RequestError(f"There is no file {path}.")
        if not is_name(path.stem):
            raise RequestError(f"{path.name} cannot be asked for by its name; rename the file.")
        other = self.paths().get(path.stem, path)
        if other != path:
            raise RequestError(f"{other} and {path} have the same name; rename one of them.")
        self._added[path.stem] = path
        return path.stem

    def _get(self, name: str, path: Path) -> Known | RequestError:
        try:
            stat = path.stat()
            stamp = stat.st_mtime_ns, stat.st_size
        except OSError as error:
            return RequestError(f"{path.name} cannot be read: {error.strerror}.")
        before = self._known.get(path)
        if before is not None and before[0] == stamp:
            return before[1]
        known: Known | RequestError
        try:
            known = self._read(name, path)
        except RequestError as error:
            _log.warning("%s cannot be used: %s", path, error)
            known = error
        self._known[path] = stamp, known
        return known


def _read_lora(name: str, path: Path) -> LoraFile:
    try:
        header = read_header(path)
        revision = fingerprint(path)
    except (ValueError, OSError) as error:
        raise RequestError(f"The LoRA “{name}” is damaged: {error}.") from error
    try:
        facts = read_facts(header)
    except ValueError as error:
        raise RequestError(f"The LoRA “{name}” is {error}; only plain LoRAs work.") from error
    return LoraFile(name=name, path=path, revision=revision, facts=facts)


def _read_embedding(name: str, path: Path) -> EmbeddingFile:
    try:
        shapes = read_header(path).shapes
        revision = fingerprint(path)
    except (ValueError, OSError) as error:
        raise RequestError(f"The embedding “{name}” is damaged: {error}.") from error
    return EmbeddingFile(name=name, path=path, revision=revision, shapes=shapes)


def _unknown(kind: str, name: str, names: Sequence[str]) -> str:
    if not names:
        return f"There is no {kind} “{name}”; there are none here."
    near = get_close_matches(name, names, n=3, cutoff=0.4) or names[:3]
    return f"There is no {kind} “{name}”; the nearest is {' or '.join(f'“{n}”' for n in near)}."


def check_fit(lora: LoraFile, model: ModelInfo) -> None:
    """Raises RequestError, with both names, for a LoRA that was plainly made for another model.

    That it passes here does not mean that it fits: that only the loaded model can tell.
    """
    base, context = lora.facts.base, lora.facts.context
    if base and model.architecture and base != model.architecture:
        raise RequestError(
            f"The LoRA “{lora.name}” was made for {base}; "
            f"the model “{model.id}” is {model.architecture}."
        )
    width = _context_width(model)
    if context is not None and width is not None and context != width:
        raise RequestError(
            f"The LoRA “{lora.name}” was made for a model that reads text {context} wide; the "
            f"model “{model.id}” ({model.architecture}) reads it {width} wide."
        )


def fits(lora: LoraFile, model: ModelInfo) -> bool:
    """Whether `check_fit` lets it pass."""
    try:
        check_fit(lora, model)
    except RequestError:
        return False
    return True


def check_loras(loras: Sequence[LoraUse], shelf: Shelf, model: ModelInfo) -> None:
    """Raises RequestError for the first that is unknown, damaged or made for another model."""
    for use in loras:
        check_fit(shelf.lora(use.name), model)


def _context_width(model: ModelInfo) -> int | None:
    """Of the text that a UNet's cross-attention reads; None for another or an unread model."""
    if model.folder is None:
        return None
    try:
        unet = json.loads((model.folder / "unet" / "config.json").read_text("utf-8"))
        width = unet.get("cross_attention_dim")
    except (OSError, ValueError, AttributeError):
        return None  # whoever loads the model says what is wrong with it
    return width if isinstance(width, int) else None
