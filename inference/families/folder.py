"""A diffusers folder, checked part by part before any of its weights is read."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from inference.errors import ModelError
from inference.safetensors_file import read_header

# What a weights file may be called, as diffusers and transformers write them.
_STEMS = ("diffusion_pytorch_model", "model")
_VARIANTS = (None, "fp16", "bf16")  # the first that is there is read
_SHARD = r"(?:-\d+-of-\d+)?"
_WEIGHTS = re.compile(
    rf"(?P<folder>(?:.*/)?)(?:{'|'.join(_STEMS)}){_SHARD}"
    rf"(?:\.(?P<variant>{'|'.join(filter(None, _VARIANTS))}))?{_SHARD}\.safetensors"
)
_HALF = re.compile(rf"\.(?:{'|'.join(filter(None, _VARIANTS))}){_SHARD}\.safetensors$")


class ModelFolder:
    """Reads a model's JSON files and finds its weights.

    vae: a folder to be used for the part `vae` instead of the model's own.
    control: the folder of its part `controlnet`, which no index names.
    image_adapter: a folder with a part `image_encoder`, to be used instead of the model's own.

    Every error is a ModelError that names the file at fault.
    """

    def __init__(
        self,
        path: Path,
        *,
        vae: Path | None = None,
        control: Path | None = None,
        image_adapter: Path | None = None,
    ) -> None:
        self.path = path
        self.vae = vae
        self.control = control
        self.image_adapter = image_adapter
        if not path.is_dir():
            raise ModelError(f"The model folder {path} does not exist.")
        self._index = read_json(path / "model_index.json")

    @property
    def pipeline(self) -> str:
        """The pipeline class that the folder was saved from."""
        name = self._index.get("_class_name")
        if not isinstance(name, str):
            raise ModelError(f"{self.path / 'model_index.json'} names no pipeline (_class_name).")
        return name

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """All parts that the index names, with the library and the class of each."""
        return {
            name: (str(entry[0]), str(entry[1]))
            for name, entry in self._index.items()
            if isinstance(entry, list) and len(entry) == 2 and entry[1] is not None
        }

    def has(self, part: str) -> bool:
        """Whether the index names this part."""
        return part in self.parts

    def option(self, name: str, default: Any) -> Any:
        """A plain value of the index."""
        return self._index.get(name, default)

    def config(self, part: str, name: str = "config.json") -> dict[str, Any]:
        """The configuration of one part."""
        return read_json(self.require(part) / name)

    def require(self, part: str) -> Path:
        """The folder of a part that the model cannot do without."""
        folder = self.path / part
        if part == "vae" and self.vae is not None:
            folder = self.vae
        elif part == "controlnet" and self.control is not None:
            folder = self.control
        elif part == "image_encoder" and self.image_adapter is not None:
            folder = self.image_adapter / part
        elif not self.has(part):
            raise ModelError(f"{self.path / 'model_index.json'} names no {part}.")
        if not folder.is_dir():
            raise ModelError(f"{folder} is missing.")
        return folder

    def require_vocabulary(self, part: str) -> Path:
        """The folder of a tokenizer; without these files it would load, and know no word."""
        folder = self.require(part)
        whole, halves = folder / "tokenizer.json", [folder / "vocab.json", folder / "merges.txt"]
        if not whole.is_file():
            for half in halves:
                if not half.is_file():
                    raise ModelError(f"{half} is missing, and so is {whole.name}.")
        return folder

    def variant(self, part: str) -> str | None:
        """Which variant of the weights is there, None for the plain one; checks its files."""
        folder = self.require(part)
        for variant in _VARIANTS:
            for stem in _STEMS:
                if self._check_weights(folder, stem, variant):
                    return variant
        raise ModelError(f"{folder} holds no weights (no .safetensors file).")

    def other_variant(self, parts: Iterable[str]) -> str | None:
        """The variant of those of these parts that have no plain weights; None where all have.

        For whoever leaves the reading to diffusers, which takes one name for all parts and, where
        a part has no such files, the plain ones.
        """
        found = (self.variant(part) for part in parts)
        return next((variant for variant in found if variant is not None), None)

    def _check_weights(self, folder: Path, stem: str, variant: str | None) -> bool:
        name = stem if variant is None else f"{stem}.{variant}"
        whole = folder / f"{name}.safetensors"
        if whole.is_file():
            check_safetensors(whole)
            return True
        for index in (f"{name}.safetensors.index.json", f"{stem}.safetensors.index.{variant}.json"):
            if (folder / index).is_file():
                for shard in self._shards(folder, index):
                    check_safetensors(shard)
                return True
        return False

    def _shards(self, folder: Path, index: str) -> Iterator[Path]:
        table = read_json(folder / index).get("weight_map")
        if not isinstance(table, dict):
            raise ModelError(f"{folder / index} has no weight_map.")
        for name in sorted(set(table.values())):
            if not (folder / name).is_file():
                raise ModelError(f"{folder / name} is missing.")
            yield folder / name


def unneeded_variants(files: Iterable[str]) -> list[str]:
    """Of a repository's files, the weights that `ModelFolder.variant` would not choose, and those
    in half precision that it knows nothing of.
    """
    matches = {name: _WEIGHTS.fullmatch(name) for name in files}
    weights = [match for match in matches.values() if match is not None]
    there = {(match["folder"], match["variant"]) for match in weights}

    def chosen(folder: str) -> str | None:
        return next(variant for variant in _VARIANTS if (folder, variant) in there)

    return [
        name
        for name, match in matches.items()
        if (_HALF.search(name) if match is None else match["variant"] != chosen(match["folder"]))
    ]


def read_json(path: Path) -> dict[str, Any]:
    """A file's JSON object. Raises ModelError that names it."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing.") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object.")
    return content


def check_safetensors(path: Path) -> None:
    """Raises ModelError unless the header can be read and the file is as long as it says.

    An interrupted download or copy is the usual damage, and reading the weights of a large model
    only to find it out takes a minute.
    """
    try:
        read_header(path)
    except ValueError as error:
        raise ModelError(f"{path} is damaged: {error}.") from error
