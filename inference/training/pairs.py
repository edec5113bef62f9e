"""A folder of pairs: `input/NAME.png` beside `output/NAME.png`, and what to say of each.

An optional `instruction.csv` (columns `name` and `instruction`) holds the words. The folder is
checked as a whole before anything is trained, and everything that is wrong with it is told at once.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from inference.animation import note_on_frames
from inference.errors import InferenceError, PictureError
from inference.images import FORMATS, normalise
from inference.picture import Normalised

INPUT, OUTPUT, WORDS = "input", "output", "instruction.csv"
COLUMNS = ["name", "instruction"]
MAX_BYTES = 128 * 2**20
MAX_PIXELS = 100_000_000
"""Limits of one file; its picture is scaled down to `picture.MAX_SIDE` when it is read."""


class PairsError(InferenceError):
    """A folder of pairs cannot be trained on; `problems` has one sentence for each reason."""

    def __init__(self, folder: Path, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        many = f"{len(problems)} problems" if len(problems) > 1 else "one problem"
        lines = "\n".join(f"- {one}" for one in problems)
        super().__init__(f"{folder} has {many}, so nothing was trained:\n{lines}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two pictures of one size. source: None in a folder that has no inputs at all."""

    name: str
    source: Path | None
    target: Path
    instruction: str


def read_picture(path: Path) -> Normalised:
    """A picture file as everything else wants it. Raises PictureError."""
    return normalise(path.read_bytes(), max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)


def check(
    folder: Path,
    size: tuple[int, int],
    *,
    instruction: str | None = None,
    inputs_needed: bool = True,
) -> tuple[Pair, ...]:
    """The pairs of a folder, in the order of their names.

    size: (width, height) in pixels that every picture must have at least.
    instruction: of the pairs that instruction.csv does not name; None where each must be named,
    "" where the words are not used.
    inputs_needed: False allows a folder without `input`, whose pairs have no source.

    Raises PairsError with everything that is wrong.
    """
    checked = _Check(folder, size, instruction, inputs_needed)
    pairs = checked.run()
    if checked.problems:
        raise PairsError(folder, checked.problems)
    return pairs


class _Check:
    def __init__(
        self, folder: Path, size: tuple[int, int], instruction: str | None, inputs_needed: bool
    ) -> None:
        self.folder, self.size = folder, size
        self.instruction = instruction
        self.inputs_needed = inputs_needed
        self.problems: list[str] = []

    def run(self) -> tuple[Pair, ...]:
        if not self.folder.is_dir():
            self.problems.append(f"{self.folder} is not a folder.")
            return ()
        outputs = self._files(OUTPUT)
        alone = not self.inputs_needed and not (self.folder / INPUT).exists()
        inputs = {} if alone else self._files(INPUT)
        if not (outputs or inputs or self.problems):
            self.problems.append(f"There is no picture in {INPUT} and {OUTPUT}.")
        if (self.folder / INPUT).is_dir() and (self.folder / OUTPUT).is_dir():
            self._partners(inputs, outputs)
        words = self._words(set(inputs) | set(outputs))
        names = sorted(set(outputs) if alone else set(inputs) | set(outputs))
        found = [
            self._pair(name, inputs.get(name), outputs.get(name), words.get(name))
            for name in tqdm(names, desc="checking pairs", unit="pair", leave=False, mininterval=1)
        ]
        return tuple(pair for pair in found if pair is not None)

    def _files(self, kind: str) -> dict[str, Path]:
        """The folder's files by name without extension; hidden ones are not looked at."""
        place = self.folder / kind
        if not place.is_dir():
            self.problems.append(f"There is no folder {kind}.")
            return {}
        found: dict[str, Path] = {}
        for path in sorted(place.iterdir()):
            if path.name.startswith("."):
                continue
            if not path.is_file():
                self.problems.append(f"{kind}/{path.name} is not a file.")
            elif path.stem in found:
                self.problems.append(
                    f"{kind}/{path.name} and {kind}/{found[path.stem].name} have the same name."
                )
            else:
                found[path.stem] = path
        return found

    def _partners(self, inputs: dict[str, Path], outputs: dict[str, Path]) -> None:
        for name in sorted(set(inputs) ^ set(outputs)):
            have, lack = (inputs, OUTPUT) if name in inputs else (outputs, INPUT)
            kind = INPUT if name in inputs else OUTPUT
            self.problems.append(f"{kind}/{have[name].name} has no partner in {lack}.")

    def _words(self, names: set[str]) -> dict[str, str]:
        """The instructions by name; every name without one is a problem if it needs one."""
        path = self.folder / WORDS
        words: dict[str, str] = {}
        told: set[str] = set()
        if path.exists():
            rows = self._rows(path)
            if rows is None:
                return words
            for line, cells in rows:
                self._row(line, cells, names, words)
                told.update((cells[0], Path(cells[0]).stem))
        elif self.instruction is None:
            self.problems.append(
                f"There is no {WORDS}; write one, or name one instruction for all pairs with "
                "--instruction."
            )
            return words
        if self.instruction is None:
            missing = sorted(names - set(words) - told)
            self.problems.extend(f"{WORDS} has no row for {name}." for name in missing)
        return words

    def _rows(self, path: Path) -> list[tuple[int, list[str]]] | None:
        """The rows below the header with their line numbers; None where it cannot be read."""
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            self.problems.append(f"{WORDS} is not readable as UTF-8 text.")
            return None
        reader = csv.reader(text.splitlines(keepends=True), strict=True)
        try:
            rows = [(reader.line_num, [c.strip() for c in cells]) for cells in reader]
        except csv.Error as error:
            self.problems.append(f"Line {reader.line_num} of {WORDS} is no CSV: {error}.")
            return None
        header = rows[0][1] if rows else []
        if header != COLUMNS:
            self.problems.append(
                f"The first line of {WORDS} is “{','.join(header)}”; it must be "
                f"“{','.join(COLUMNS)}”."
            )
            return None
        return [(line, cells) for line, cells in rows[1:] if any(cells)]

    def _row(self, line: int, cells: list[str], names: set[str], words: dict[str, str]) -> None:
        where = f"Line {line} of {WORDS}"
        if len(cells) != len(COLUMNS):
            cell = "cell" if len(cells) == 1 else "cells"
            self.problems.append(
                f"{where} has {len(cells)} {cell} where {len(COLUMNS)} belong; put quotation marks "
                "around an instruction with a comma."
            )
            return
        name, instruction = cells
        if name not in names and Path(name).stem in names:
            name = Path(name).stem
        if name not in names:
            self.problems.append(f"{where} names {name or 'nothing'}, of which there is no pair.")
        elif name in words:
            self.problems.append(f"{where} names {name} a second time.")
        elif not instruction:
            self.problems.append(f"{where} has no instruction for {name}.")
        else:
            words[name] = instruction

    def _pair(
        self, name: str, source: Path | None, target: Path | None, words: str | None
    ) -> Pair | None:
        """The pair if both of its pictures are good; every file is read whole."""
        sizes = {path: self._picture(path) for path in (source, target) if path is not None}
        if target is None or any(size is None for size in sizes.values()):
            return None
        if source is not None and sizes[source] != sizes[target]:
            a, b = ("{}×{}".format(*(sizes[path] or ())) for path in (source, target))
            self.problems.append(
                f"{INPUT}/{source.name} has {a} pixels and {OUTPUT}/{target.name} {b}; "
                "a pair's pictures must have one size."
            )
            return None
        said = words if words is not None else self.instruction or ""
        return Pair(name=name, source=source, target=target, instruction=said)

    def _picture(self, path: Path) -> tuple[int, int] | None:
        """Its own size, upright; None where something is wrong with it."""
        shown = f"{path.parent.name}/{path.name}"
        try:
            read = read_picture(path)
        except (PictureError, OSError) as error:
            self.problems.append(f"{shown}: {error}")
            return None
        with Image.open(path, formats=FORMATS) as image:
            frames = note_on_frames(image, path.read_bytes())
            w, h = image.size
        if frames is not None:
            self.problems.append(f"{shown} is animated; save the one frame that is meant.")
            return None
        if read.width < self.size[0] or read.height < self.size[1]:
            self.problems.append(
                f"{shown} has {read.width}×{read.height} pixels; training needs at least "
                "{}×{}.".format(*self.size)
            )
            return None
        return (h, w) if (w > h) != (read.width > read.height) and w != h else (w, h)
