"""Folders of pairs on disk: coloured slopes as outputs, and their greys as inputs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def slope(seed: int, size: tuple[int, int]) -> Image.Image:
    """A picture that no crop and no mirror leaves as it is."""
    w, h = size
    y, x = np.mgrid[0:h, 0:w]
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(0.4, 1, 3)
    planes = np.stack([a * 255 * x / w, b * 255 * y / h, c * 255 * (1 - x / w)], axis=2)
    return Image.fromarray(planes.astype(np.uint8))


def write_pairs(
    folder: Path,
    sizes: Mapping[str, tuple[int, int]],
    *,
    instructions: str | None = None,
    inputs: bool = True,
) -> Path:
    """One pair for each name and (width, height); `instructions` is the CSV file's text."""
    for name, size in sizes.items():
        picture = slope(len(name), size)
        for kind, image in (("input", picture.convert("L")), ("output", picture)):
            if kind == "output" or inputs:
                (folder / kind).mkdir(parents=True, exist_ok=True)
                image.save(folder / kind / f"{name}.png")
    if instructions is not None:
        (folder / "instruction.csv").write_text(instructions, "utf-8")
    return folder
