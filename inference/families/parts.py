"""The parts of a model that have no weights: schedulers, tokenizers, processors of pictures."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from inference.errors import ModelError
from inference.families.quiet import quiet
from inference.families.weights import first_line


def load_part(kind: Any, path: Path) -> Any:
    """A part from its folder. kind: its class, of diffusers or transformers.

    Transformers' newer processors of pictures and words also prepare videos, for which alone they
    want torchvision; where it is missing they are loaded without.

    Raises ModelError.
    """
    if hasattr(kind, "get_attributes") and find_spec("torchvision") is None:
        kind = _without_videos(kind)
    try:
        with quiet():
            return kind.from_pretrained(path, local_files_only=True)
    except Exception as error:  # whatever is wrong surfaces somewhere inside three libraries
        raise ModelError(f"{path} cannot be loaded: {first_line(error)}") from error


def _without_videos(kind: Any) -> Any:
    class PicturesOnly(kind):
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in kind.get_attributes() if "video" not in name]

    return PicturesOnly
