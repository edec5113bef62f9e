"""One CLIP tokenizer with its text encoder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.families.embeddings import Vocabulary
from inference.families.prompt import parse_prompt
from inference.shelf import EmbeddingFile


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Token:
    """vector: what the encoder reads instead of its own embedding of `id`, [width]."""

    id: int
    weight: float
    vector: Tensor | None = None


class ClipEncoder:
    """Encodes prompts of any length, in chunks of what the encoder was trained for.

    A prompt that fits one chunk and has no weights is encoded exactly as diffusers does it.

    vocabulary: words that were added to the tokenizer's, or None.
    name: what files of embeddings call this encoder, "" for a model's only one.
    """

    def __init__(
        self,
        tokenizer: Any,
        encoder: Any,
        *,
        vocabulary: Vocabulary | None = None,
        name: str = "",
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._name = name
        self._masked = bool(getattr(encoder.config, "use_attention_mask", False))
        self._length = min(
            int(tokenizer.model_max_length), int(encoder.config.max_position_embeddings)
        )

    @property
    def network(self) -> Any:
        """The text encoder itself."""
        return self._encoder

    def chunks(self, prompt: str) -> int:
        """How many chunks a prompt needs, at least one.

        Raises RequestError for a bad weight or an embedding that cannot be used.
        """
        return len(self._read(prompt))

    def last(self, prompt: str, chunks: int) -> Tensor:
        """The last hidden state, [1, chunks × length, width]."""
        parts = self._filled(prompt, chunks)
        return self._weighted(parts, [self._run(part)[0] for part in parts])

    def penultimate(self, prompt: str, chunks: int) -> tuple[Tensor, Tensor]:
        """The hidden state before the last, and the first chunk's first output (pooled if 2-D)."""
        parts = self._filled(prompt, chunks)
        outputs = [self._run(part, output_hidden_states=True) for part in parts]
        states = [output.hidden_states[-2] for output in outputs]
        return self._weighted(parts, states, hidden=True), outputs[0][0]

    def pooled(self, prompt: str) -> Tensor:
        """A summary of what fits the first chunk, weights left out, [1, width]."""
        summary: Tensor = self._run(self._read(prompt)[0]).pooler_output
        return summary

    def _read(self, prompt: str) -> list[list[_Token]]:
        """A prompt's tokens in chunks, without the special ones; no embedding is torn."""
        chunks: list[list[_Token]] = [[]]
        for word in self._words(prompt):
            if len(chunks[-1]) + len(word) > self._length - 2:
                chunks.append([])
            chunks[-1] += word
        return chunks

    def _filled(self, prompt: str, chunks: int) -> list[list[_Token]]:
        """So many chunks; those that the prompt does not need are empty."""
        parts = self._read(prompt)
        return parts + [[] for _ in range(chunks - len(parts))]

    def _words(self, prompt: str) -> Iterator[list[_Token]]:
        """Each token, and an embedding's tokens together."""
        for phrase in parse_prompt(prompt):
            for piece in self._pieces(phrase.text):
                if isinstance(piece, str):
                    ids = self._tokenizer(piece, add_special_tokens=False, verbose=False).input_ids
                    yield from ([_Token(id=id, weight=phrase.weight)] for id in ids)
                else:
                    yield self._learned(piece, phrase.weight)

    def _pieces(self, text: str) -> Iterable[str | EmbeddingFile]:
        return [text] if self._vocabulary is None else self._vocabulary.split(text)

    def _learned(self, word: EmbeddingFile, weight: float) -> list[_Token]:
        assert self._vocabulary is not None
        vectors = self._vocabulary.vectors(
            word, self._name, int(self._encoder.config.hidden_size), room=self._length - 2
        )
        # The id is not read, but an encoder may look for the greatest one, where the prompt ends.
        unread = self._tokenizer.bos_token_id
        return [_Token(id=unread, weight=weight, vector=vector) for vector in vectors]

    def _run(self, tokens: Sequence[_Token], **options: bool) -> Any:
        words = self._tokenizer
        ids = [words.bos_token_id, *(token.id for token in tokens), words.eos_token_id]
        padding = self._length - len(ids)
        mask = torch.tensor([[1] * len(ids) + [0] * padding], device=self._encoder.device)
        ids += [words.pad_token_id] * padding
        with self._reading({1 + place: token.vector for place, token in enumerate(tokens)}):
            return self._encoder(
                torch.tensor([ids], device=self._encoder.device),
                attention_mask=mask if self._masked else None,
                **options,
            )

    @contextmanager
    def _reading(self, vectors: Mapping[int, Tensor | None]) -> Iterator[None]:
        """Has the encoder read these vectors, where there is one, in place of its own."""
        learned = {place: vector for place, vector in vectors.items() if vector is not None}

        def replace(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            output = output.clone()
            for place, vector in learned.items():
                output[0, place] = vector
            return output

        if not learned:
            yield
            return
        hook = self._encoder.get_input_embeddings().register_forward_hook(replace)
        try:
            yield
        finally:
            hook.remove()

    def _weighted(
        self, parts: Sequence[Sequence[_Token]], states: list[Tensor], *, hidden: bool = False
    ) -> Tensor:
        """Moves each token from what an empty prompt has in its place, by its weight."""
        state = torch.cat(states, dim=1)
        if all(token.weight == 1 for part in parts for token in part):
            return state
        empty = self._run([], output_hidden_states=True)
        neutral = (empty.hidden_states[-2] if hidden else empty[0]).repeat(1, len(states), 1)
        factors = torch.ones(len(states), self._length)
        for chunk, part in enumerate(parts):
            factors[chunk, 1 : 1 + len(part)] = torch.tensor([token.weight for token in part])
        scale = factors.reshape(1, -1, 1).to(state.device, state.dtype)
        return torch.where(scale == 1, state, neutral + scale * (state - neutral))
