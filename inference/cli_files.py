"""What the command line reads and writes."""

import os
from pathlib import Path

from inference.errors import PictureError
from inference.images import normalise
from inference.request import Recipe
from inference.result import GenerationResult
from inference.stamps import stamped

MAX_BYTES = 256 * 1024 * 1024
MAX_PIXELS = 250_000_000


def models_folder() -> Path:
    """The owner's models, where the bot has them too unless its `.env` says otherwise."""
    return Path(os.environ.get("PALIMPSEST_HOME") or "home") / "models"


def read_source(path: Path) -> bytes:
    """A picture file, normalised; transparent parts can be a mask. Raises PictureError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return normalise(data, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS, transparency=True).data
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error


def write_pictures(folder: Path, recipe: Recipe, result: GenerationResult) -> list[Path]:
    """Writes `0.png`, `1.png` … into the folder, which is made if need be. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.png" for index in range(len(result.images))]
    for index, (path, image) in enumerate(zip(paths, result.images, strict=True)):
        path.write_bytes(stamped(image, recipe.single(index), result))
    return paths
