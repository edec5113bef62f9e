"""Textual inversion: words that owners add to a prompt's vocabulary as learned vectors.

Gal et al. 2022, arXiv:2208.01618. A word stands for one vector or several, which take the place
of the encoder's own token embeddings.
"""

import re
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from inference.errors import RequestError
from inference.families.cache import Cache
from inference.model_info import ModelInfo
from inference.shelf import EmbeddingFile, Shelf

KEPT = 32
"""Embeddings that are remembered; one is some kilobytes."""

XL_NAMES = ("clip_l", "clip_g")
"""What files for SDXL call the vectors of its two text encoders."""

_BY_WIDTH = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2"}


class Vocabulary:
    """The words that a shelf's embeddings add to one model's prompts.

    encoders: what files for models with several text encoders call the vectors of each, in the
        model's order; empty for a model with one, whose files hold one tensor of any name.
    """

    def __init__(self, shelf: Shelf, model: ModelInfo, *, encoders: Sequence[str] = ()) -> None:
        self._shelf = shelf
        self._model = model
        self._encoders = frozenset(encoders)
        self._vectors: Cache[tuple[str, str, str], Tensor] = Cache(KEPT)

    def split(self, text: str) -> Iterator[str | EmbeddingFile]:
        """A text's pieces: the words that are embeddings, and what stands between them.

        A word is found in upper and lower case, but not as a part of a longer one. Raises
        RequestError for an embedding whose file is damaged.
        """
        longest_first = sorted(self._shelf.embeddings(), key=len, reverse=True)
        if not longest_first:
            yield text
            return
        words = "|".join(f"({re.escape(name)})" for name in longest_first)
        end = 0
        for match in re.finditer(rf"(?<![\w-])(?:{words})(?![\w-])", text, re.IGNORECASE):
            if match.start() > end:
                yield text[end : match.start()]
            assert match.lastindex is not None  # one of the words
            yield self._shelf.embedding(longest_first[match.lastindex - 1])
            end = match.end()
        if end < len(text):
            yield text[end:]

    def pins(self, text: str) -> tuple[tuple[str, str], ...]:
        """The embeddings in a text as pairs of “embedding NAME” and the file's fingerprint."""
        found = (piece for piece in self.split(text) if not isinstance(piece, str))
        return tuple(dict.fromkeys((f"embedding {file.name}", file.revision) for file in found))

    def vectors(self, file: EmbeddingFile, encoder: str, width: int, *, room: int) -> Tensor:
        """What a word stands for in one text encoder, [vectors, width], fp32 on the CPU.

        encoder: one of `encoders`, or "". room: vectors that a chunk of a prompt can hold.

        Raises RequestError, with both names, for a file that was made for another model.
        """
        key = file.name, file.revision, encoder
        return self._vectors.get(key, lambda: self._read(file, encoder, width, room))

    def _read(self, file: EmbeddingFile, encoder: str, width: int, room: int) -> Tensor:
        from safetensors import SafetensorError, safe_open

        shapes = file.shapes
        name = encoder if encoder in shapes else next(iter(shapes), "")
        suits = self._encoders <= shapes.keys() if encoder else len(shapes) == 1
        shape = shapes.get(name, ())
        if not suits or len(shape) not in (1, 2) or shape[-1] != width:
            raise RequestError(self._misfit(file))
        if len(shape) == 2 and not 0 < shape[0] <= room:
            raise RequestError(
                f"The embedding “{file.name}” has {shape[0]} vectors; 1 to {room} are allowed."
            )
        try:
            with torch.inference_mode(False), safe_open(file.path, framework="pt") as content:
                vectors: Tensor = content.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise RequestError(f"The embedding “{file.name}” cannot be read: {error}.") from error
        return vectors.reshape(-1, width).float()

    def _misfit(self, file: EmbeddingFile) -> str:
        there = ", ".join(
            f"“{name}” {'×'.join(map(str, shape))}" for name, shape in sorted(file.shapes.items())
        )
        base = _base(file)
        made = f"was made for {base}" if base else f"holds {there or 'nothing'}"
        return (
            f"The embedding “{file.name}” {made}; it does not fit the model “{self._model.id}”, "
            f"which is {self._model.architecture}."
        )


def _base(file: EmbeddingFile) -> str:
    """The architecture that it was made for, as `ModelInfo` names them, or ""."""
    if set(XL_NAMES) <= file.shapes.keys():
        return "SDXL"
    widths = {shape[-1] for shape in file.shapes.values() if shape}
    return _BY_WIDTH.get(widths.pop(), "") if len(widths) == 1 else ""
