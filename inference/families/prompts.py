"""Encoded prompts, remembered: a reroll and the other pictures of a job need not encode again."""

from collections.abc import Sequence
from typing import Protocol

from inference.families.cache import Cache
from inference.families.conditioning import PromptEmbedding

KEPT = 64
"""Encoded prompts that are remembered; one of SDXL's is 0.6 MB."""


class TextEncoders(Protocol):
    """However a family turns a prompt into an embedding."""

    def chunks(self, prompt: str) -> int:
        """How many chunks a prompt needs. Raises RequestError for a bad weight in it."""

    def encode(self, prompt: str, *, negative: bool, chunks: int) -> PromptEmbedding:
        """chunks: the length wanted, at least what the prompt needs.

        negative: whether it is what to steer away from; then "" means that there is none.
        """


class Prompts:
    """One model's prompts."""

    def __init__(self, encoders: TextEncoders) -> None:
        self.encoders = encoders
        self._known: Cache[tuple[str, bool, int], PromptEmbedding] = Cache(KEPT)

    def encode(self, texts: Sequence[tuple[str, bool]]) -> list[PromptEmbedding]:
        """Prompts, each with whether it is what to steer away from, at one common length.

        Raises RequestError for a bad weight in one.
        """
        chunks = max(self.encoders.chunks(text) for text, _ in texts)
        return [self._encode(text, negative, chunks) for text, negative in texts]

    def _encode(self, text: str, negative: bool, chunks: int) -> PromptEmbedding:
        return self._known.get(
            (text, negative, chunks),
            lambda: self.encoders.encode(text, negative=negative, chunks=chunks),
        )
