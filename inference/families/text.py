"""Prompts through the text encoders, exactly as diffusers' Stable Diffusion pipelines do it."""

from typing import Any

import torch
from torch import Tensor

from inference.families.clip import ClipEncoder
from inference.families.conditioning import PromptEmbedding


class SDText:
    """Stable Diffusion 1.x and 2.x: one encoder."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder

    @property
    def networks(self) -> tuple[Any, ...]:
        """The text encoder itself."""
        return (self._encoder.network,)

    def chunks(self, prompt: str) -> int:
        """How many chunks a prompt needs. Raises RequestError for a bad weight in it."""
        return self._encoder.chunks(prompt)

    def encode(self, prompt: str, *, negative: bool, chunks: int) -> PromptEmbedding:
        """negative: whether it is what to steer away from; here both are alike."""
        del negative
        return PromptEmbedding(tokens=self._encoder.last(prompt, chunks))


class SDXLText:
    """SDXL: two encoders side by side, or the refiner's second one alone.

    zeros_for_empty: an absent negative prompt is all zeros instead of the empty text.
    """

    def __init__(self, encoders: list[ClipEncoder], *, zeros_for_empty: bool) -> None:
        self._encoders = encoders
        self._zeros_for_empty = zeros_for_empty

    @property
    def networks(self) -> tuple[Any, ...]:
        """The text encoders themselves."""
        return tuple(encoder.network for encoder in self._encoders)

    def chunks(self, prompt: str) -> int:
        """How many chunks a prompt needs. Raises RequestError for a bad weight in it."""
        return max(encoder.chunks(prompt) for encoder in self._encoders)

    def encode(self, prompt: str, *, negative: bool, chunks: int) -> PromptEmbedding:
        """negative: whether it is what to steer away from; then "" means that there is none."""
        states: list[Tensor] = []
        pooled: Tensor | None = None
        for encoder in self._encoders:
            state, first = encoder.penultimate(prompt, chunks)
            states.append(state)
            if first.ndim == 2:
                pooled = first
        tokens = torch.cat(states, dim=-1)
        assert pooled is not None  # the last encoder has a projection
        if negative and not prompt and self._zeros_for_empty:
            return PromptEmbedding(tokens=torch.zeros_like(tokens), pooled=torch.zeros_like(pooled))
        return PromptEmbedding(tokens=tokens, pooled=pooled)
