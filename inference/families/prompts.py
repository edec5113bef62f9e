"""Encoded prompts, remembered: a reroll and the other pictures of a job need not encode again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from inference.families.adapters import Adapters
from inference.families.cache import Cache
from inference.families.conditioning import PromptEmbedding
from inference.families.embeddings import Vocabulary
from inference.families.lora_set import NO_LORAS, LoraSet, Mix

KEPT = 64
"""Encoded prompts that are remembered; one of SDXL's is 0.6 MB."""

KEPT_LONG = 16
"""Likewise, where T5 reads them too; one of Flux's is 4 MB in bf16."""


Pins = tuple[tuple[str, str], ...]


class TextEncoders(Protocol):
    """However a family turns a prompt into an embedding."""

    @property
    def networks(self) -> tuple[Any, ...]:
        """The text encoders themselves."""

    def chunks(self, prompt: str) -> int:
        """How many chunks a prompt needs. Raises RequestError for a bad weight in it."""

    def encode(self, prompt: str, *, negative: bool, chunks: int) -> PromptEmbedding:
        """chunks: the length wanted, at least what the prompt needs.

        negative: whether it is what to steer away from; then "" means that there is none.
        """


class Prompts:
    """One model's prompts.

    adapters, vocabulary: the LoRAs and embeddings that change how they are read; None: nothing.
    kept: how many are remembered.
    """

    def __init__(
        self,
        encoders: TextEncoders,
        *,
        adapters: Adapters | None = None,
        vocabulary: Vocabulary | None = None,
        kept: int = KEPT,
    ) -> None:
        self.encoders = encoders
        self._adapters = adapters
        self._vocabulary = vocabulary
        self._known: Cache[tuple[str, bool, int, Pins, Mix], PromptEmbedding] = Cache(kept)

    def encode(
        self, texts: Sequence[tuple[str, bool]], loras: LoraSet = NO_LORAS
    ) -> list[PromptEmbedding]:
        """Prompts, each with whether it is what to steer away from, at one common length.

        Raises RequestError for a bad weight in one, or an embedding that cannot be used.
        """
        chunks = max(self.encoders.chunks(text) for text, _ in texts)
        return [self._encode(text, negative, chunks, loras) for text, negative in texts]

    def _encode(self, text: str, negative: bool, chunks: int, loras: LoraSet) -> PromptEmbedding:
        pins = () if self._vocabulary is None else self._vocabulary.pins(text)

        def encode() -> PromptEmbedding:
            if self._adapters is not None:
                self._adapters.use_for_text(loras)
            embedding = self.encoders.encode(text, negative=negative, chunks=chunks)
            return replace(embedding, pins=pins)

        return self._known.get((text, negative, chunks, pins, loras.text), encode)
