"""The file of requests that `python -m inference batch` reads."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.cli_files import read_source
from inference.cli_request import make_recipe
from inference.errors import RequestError
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.shelf import Shelf

_NAME = re.compile(r"(?!\.+$)[\w.-]{1,100}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of the file. id: also the name of the folder for its pictures."""

    id: str
    fields: dict[str, Any]


class JobsFile:
    """Lines of JSON, a request each: `id`, `image`, `second` and what `make_recipe` takes.

    A relative path is looked for beside the file, then in the working directory.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._sources: dict[Path, bytes] = {}
        try:
            text = path.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise RequestError(f"{path} cannot be read: {error}.") from error
        self.lines = list(_lines(path, text))

    def request(self, line: Line, info: ModelInfo, shelf: Shelf) -> GenerationRequest:
        """The request that a line makes; see `make_recipe`. Raises RequestError."""
        fields = dict(line.fields)
        image, second = fields.pop("image", None), fields.pop("second", None)
        recipe = make_recipe(fields, info, shelf, folder=self._folder)
        return recipe.with_picture(self._picture("image", image), self._picture("second", second))

    def _picture(self, field: str, path: object) -> bytes | None:
        if path is None:
            return None
        if not isinstance(path, str):
            raise RequestError(f"The {field} cannot be {path!r}; it is the path of a file.")
        beside = self._folder / path
        return self._read(beside if beside.exists() else Path(path))

    def _read(self, path: Path) -> bytes:
        """A normalised source; many requests often share one."""
        if path not in self._sources:
            self._sources[path] = read_source(path)
        return self._sources[path]


def _lines(path: Path, text: str) -> Iterator[Line]:
    """Raises RequestError that names the line: without its id there is nowhere to report it."""
    seen: set[str] = set()
    for number, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip():
            continue
        where = f"Line {number} of {path}"
        try:
            fields = json.loads(raw)
        except ValueError as error:
            raise RequestError(f"{where} is not JSON: {error}.") from error
        if not isinstance(fields, dict):
            raise RequestError(f"{where} is not a JSON object.")
        name = str(fields.pop("id", ""))
        if not _NAME.fullmatch(name):
            raise RequestError(f"{where} needs an id of letters, digits, “.”, “_” and “-”.")
        if name in seen:
            raise RequestError(f"{where} repeats the id “{name}”.")
        seen.add(name)
        yield Line(id=name, fields=fields)
