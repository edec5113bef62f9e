"""Prompts of flow-matching transformers, exactly as diffusers' pipelines for them do it."""

from typing import Any

import torch
from torch import Tensor

from inference.families.clip import ClipEncoder
from inference.families.conditioning import PromptEmbedding
from inference.families.t5 import T5Encoder

SD3_T5_LENGTHS = (256, 512)
"""What diffusers' SD3 pipelines pad to, and the most that they allow."""

FLUX_T5_LENGTH = 512
"""What diffusers' Flux pipelines pad to."""

_LONG = 4
"""From so many chunks of CLIP on, T5 reads at its longer length."""


class SD3Text:
    """Stable Diffusion 3: two CLIP encoders side by side, then T5's tokens, or zeros without one.

    first, second: both with a projection.
    width: of T5's tokens; those of CLIP are filled up with zeros to it.
    """

    def __init__(
        self, first: ClipEncoder, second: ClipEncoder, t5: T5Encoder | None, *, width: int
    ) -> None:
        self._clips = (first, second)
        self._t5 = t5
        self._width = width

    @property
    def networks(self) -> tuple[Any, ...]:
        """The text encoders themselves."""
        clips = tuple(clip.network for clip in self._clips)
        return clips if self._t5 is None else (*clips, self._t5.network)

    def chunks(self, prompt: str) -> int:
        """How many chunks a prompt needs, at least `_LONG` where T5 needs its longer length.

        Raises RequestError for a bad weight in it, or if it is too long for T5.
        """
        needed = max(clip.chunks(prompt) for clip in self._clips)
        if self._t5 is not None and self._t5.length(prompt) > SD3_T5_LENGTHS[0]:
            return max(needed, _LONG)
        return needed

    def encode(self, prompt: str, *, negative: bool, chunks: int) -> PromptEmbedding:
        """negative: whether it is what to steer away from; here both are alike."""
        del negative
        states, pooled = zip(
            *(clip.penultimate(prompt, chunks) for clip in self._clips), strict=True
        )
        clip = torch.cat(states, dim=-1)
        clip = torch.nn.functional.pad(clip, (0, self._width - clip.shape[-1]))
        return PromptEmbedding(
            tokens=torch.cat([clip, self._t5_tokens(prompt, chunks, clip)], dim=1),
            pooled=torch.cat(pooled, dim=-1),
        )

    def _t5_tokens(self, prompt: str, chunks: int, like: Tensor) -> Tensor:
        if self._t5 is None:
            return like.new_zeros(1, SD3_T5_LENGTHS[0], self._width)
        return self._t5.encode(prompt, SD3_T5_LENGTHS[chunks >= _LONG]).to(like.dtype)


class FluxText:
    """Flux: T5 reads the prompt; of CLIP there is only a summary of the prompt's beginning."""

    def __init__(self, clip: ClipEncoder, t5: T5Encoder) -> None:
        self._clip = clip
        self._t5 = t5

    @property
    def networks(self) -> tuple[Any, ...]:
        """The text encoders themselves."""
        return self._clip.network, self._t5.network

    def chunks(self, prompt: str) -> int:
        """Always 1. Raises RequestError for a bad weight in it, or if it is too long for T5."""
        self._t5.length(prompt)
        return 1

    def encode(self, prompt: str, *, negative: bool, chunks: int) -> PromptEmbedding:
        """negative, chunks: of no meaning here."""
        del negative, chunks
        return PromptEmbedding(
            tokens=self._t5.encode(prompt, FLUX_T5_LENGTH), pooled=self._clip.pooled(prompt)
        )
