"""Prompts through CLIP, exactly as diffusers' Stable Diffusion pipelines put them through."""

from typing import Any

import torch
from torch import Tensor

from inference.families.conditioning import PromptEmbedding


class ClipEncoder:
    """One tokenizer and its text encoder."""

    def __init__(self, tokenizer: Any, encoder: Any) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._masked = bool(getattr(encoder.config, "use_attention_mask", False))

    def last(self, text: str) -> Tensor:
        """The last hidden state, [1, length, width]."""
        return self._run(text)[0]

    def penultimate(self, text: str) -> tuple[Tensor, Tensor]:
        """The hidden state before the last, and the encoder's first output (pooled if 2-D)."""
        output = self._run(text, output_hidden_states=True)
        return output.hidden_states[-2], output[0]

    def _run(self, text: str, **options: bool) -> Any:
        tokens = self._tokenizer(
            [text],
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        device = self._encoder.device
        mask = tokens.attention_mask.to(device) if self._masked else None
        return self._encoder(tokens.input_ids.to(device), attention_mask=mask, **options)


class SDText:
    """Stable Diffusion 1.x and 2.x: one encoder."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder

    def encode(self, prompt: str, *, negative: bool) -> PromptEmbedding:
        """negative: whether it is what to steer away from; here both are alike."""
        del negative
        return PromptEmbedding(tokens=self._encoder.last(prompt))


class SDXLText:
    """SDXL: two encoders side by side, or the refiner's second one alone.

    zeros_for_empty: an absent negative prompt is all zeros instead of the empty text.
    """

    def __init__(self, encoders: list[ClipEncoder], *, zeros_for_empty: bool) -> None:
        self._encoders = encoders
        self._zeros_for_empty = zeros_for_empty

    def encode(self, prompt: str, *, negative: bool) -> PromptEmbedding:
        """negative: whether it is what to steer away from; then "" means that there is none."""
        states: list[Tensor] = []
        pooled: Tensor | None = None
        for encoder in self._encoders:
            state, first = encoder.penultimate(prompt)
            states.append(state)
            if first.ndim == 2:
                pooled = first
        tokens = torch.cat(states, dim=-1)
        assert pooled is not None  # the last encoder has a projection
        if negative and not prompt and self._zeros_for_empty:
            return PromptEmbedding(tokens=torch.zeros_like(tokens), pooled=torch.zeros_like(pooled))
        return PromptEmbedding(tokens=tokens, pooled=pooled)
