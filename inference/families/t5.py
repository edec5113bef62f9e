"""One T5 tokenizer with its encoder."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from inference.errors import RequestError
from inference.families.prompt import parse_prompt


class T5Encoder:
    """Encodes prompts padded to one of a few lengths, without a mask, as diffusers does.

    lengths: tokens, the end mark among them; rising.
    """

    def __init__(self, tokenizer: Any, encoder: Any, *, lengths: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._lengths = tuple(lengths)

    @property
    def network(self) -> Any:
        """The text encoder itself."""
        return self._encoder

    def length(self, prompt: str) -> int:
        """The shortest of `lengths` that a prompt fits.

        Raises RequestError for a prompt that is longer than all, or for a bad weight.
        """
        tokens = len(self._tokens(prompt)[0])
        for length in self._lengths:
            if tokens <= length:
                return length
        # The end mark is nothing that a member wrote.
        raise RequestError(
            f"A prompt of {tokens - 1} tokens is too long for this model; "
            f"it reads at most {self._lengths[-1] - 1}."
        )

    def encode(self, prompt: str, length: int) -> Tensor:
        """The last hidden state, [1, length, width]; length: at least what the prompt needs.

        Each token is moved from what an empty prompt has in its place, by its weight.
        """
        ids, weights = self._tokens(prompt)
        state = self._run(ids, length)
        if all(weight == 1 for weight in weights):
            return state
        neutral = self._run(self._tokens("")[0], length)
        factors = torch.ones(1, length, 1)
        factors[0, : len(weights), 0] = torch.tensor(weights)
        scale = factors.to(state.device, state.dtype)
        return torch.where(scale == 1, state, neutral + scale * (state - neutral))

    def _tokens(self, prompt: str) -> tuple[list[int], list[float]]:
        """Ids, the end mark among them, and their weights.

        The text is read as a whole, as cut in pieces it would be spelt otherwise. A token that
        lies in two phrases has the weight of the one that it ends in.
        """
        phrases = parse_prompt(prompt)
        found = self._tokenizer(
            "".join(phrase.text for phrase in phrases), return_offsets_mapping=True, verbose=False
        )
        weights = [phrase.weight for phrase in phrases for _ in phrase.text]
        return list(found.input_ids), [
            weights[end - 1] if end > start else 1.0 for start, end in found.offset_mapping
        ]

    def _run(self, ids: list[int], length: int) -> Tensor:
        padded = ids + [self._tokenizer.pad_token_id] * (length - len(ids))
        state: Tensor = self._encoder(torch.tensor([padded], device=self._encoder.device))[0]
        return state
