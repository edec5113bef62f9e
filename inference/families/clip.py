"""One CLIP tokenizer with its text encoder."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from inference.families.prompt import parse_prompt


class ClipEncoder:
    """Encodes prompts of any length, in chunks of what the encoder was trained for.

    A prompt that fits one chunk and has no weights is encoded exactly as diffusers does it.
    """

    def __init__(self, tokenizer: Any, encoder: Any) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._masked = bool(getattr(encoder.config, "use_attention_mask", False))
        self._length = min(
            int(tokenizer.model_max_length), int(encoder.config.max_position_embeddings)
        )

    def chunks(self, prompt: str) -> int:
        """How many chunks a prompt needs, at least one. Raises RequestError for a bad weight."""
        room = self._length - 2
        return max(1, -(-len(self._tokens(prompt)) // room))

    def last(self, prompt: str, chunks: int) -> Tensor:
        """The last hidden state, [1, chunks × length, width]."""
        return self._weighted(prompt, [output[0] for output in self._run(prompt, chunks)])

    def penultimate(self, prompt: str, chunks: int) -> tuple[Tensor, Tensor]:
        """The hidden state before the last, and the first chunk's first output (pooled if 2-D)."""
        outputs = list(self._run(prompt, chunks, output_hidden_states=True))
        states = [output.hidden_states[-2] for output in outputs]
        return self._weighted(prompt, states, hidden=True), outputs[0][0]

    def _tokens(self, prompt: str) -> list[tuple[int, float]]:
        """Ids and their weights, without the special ones."""
        return [
            (token, phrase.weight)
            for phrase in parse_prompt(prompt)
            for token in self._tokenizer(
                phrase.text, add_special_tokens=False, verbose=False
            ).input_ids
        ]

    def _run(self, prompt: str, chunks: int, **options: bool) -> Iterable[Any]:
        tokens = [token for token, _ in self._tokens(prompt)]
        room = self._length - 2
        for start in range(0, chunks * room, room):
            yield self._run_chunk(tokens[start : start + room], **options)

    def _run_chunk(self, tokens: list[int], **options: bool) -> Any:
        words = self._tokenizer
        ids = [words.bos_token_id, *tokens, words.eos_token_id]
        padding = self._length - len(ids)
        mask = torch.tensor([[1] * len(ids) + [0] * padding], device=self._encoder.device)
        ids += [words.pad_token_id] * padding
        return self._encoder(
            torch.tensor([ids], device=self._encoder.device),
            attention_mask=mask if self._masked else None,
            **options,
        )

    def _weighted(self, prompt: str, states: list[Tensor], *, hidden: bool = False) -> Tensor:
        """Moves each token from what an empty prompt has in its place, by its weight."""
        state = torch.cat(states, dim=1)
        weights = [weight for _, weight in self._tokens(prompt)]
        if all(weight == 1 for weight in weights):
            return state
        empty = self._run_chunk([], output_hidden_states=True)
        neutral = (empty.hidden_states[-2] if hidden else empty[0]).repeat(1, len(states), 1)
        factors = torch.ones(len(states), self._length)
        room = self._length - 2
        for chunk in range(len(states)):
            part = weights[chunk * room : (chunk + 1) * room]
            factors[chunk, 1 : 1 + len(part)] = torch.tensor(part)
        scale = factors.reshape(1, -1, 1).to(state.device, state.dtype)
        return torch.where(scale == 1, state, neutral + scale * (state - neutral))
