"""Cross-attention to a picture beside that to the words."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class ImageAttention:
    """Stands for the processor of one cross-attention while pictures prompt too.

    Decoupled cross-attention (Ye et al. 2023, arXiv:2308.06721, equation 5): one query asks the
    words and, through keys and values of its own, the picture; what the picture answers is added
    by a factor. Works for attention as the UNets of Stable Diffusion and SDXL have it.

    keys, values: the adapter's projections, [channels, width]. tokens: of the pictures,
    [rows, n, width]. factors: of each row, [rows, 1, 1]; 0 leaves it as the words alone make it.
    """

    def __init__(self, keys: Tensor, values: Tensor, tokens: Tensor, factors: Tensor) -> None:
        self._keys = keys
        self._values = values
        self._tokens = tokens
        self._factors = factors

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """hidden_states: [rows, places, channels]. encoder_hidden_states: [rows, length, width].

        The names are those that diffusers' Attention calls a processor with.
        """
        query, words = attn.to_q(hidden_states), encoder_hidden_states
        found = _attend(query, attn.to_k(words), attn.to_v(words), attn.heads, attention_mask)
        key = functional.linear(self._tokens, self._keys)
        value = functional.linear(self._tokens, self._values)
        seen = _attend(query, key, value, attn.heads)
        project, drop = attn.to_out
        result: Tensor = drop(project(found + self._factors * seen))
        return result


def _attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None
) -> Tensor:
    """Multi-head attention; all are [rows, …, channels], and so is the result."""
    query, key, value = (
        part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)


def is_plain(attention: Any) -> bool:
    """Whether a layer of diffusers attends as `ImageAttention` does, but for the picture."""
    from diffusers.models.attention_processor import AttnProcessor2_0

    return type(attention.processor) is AttnProcessor2_0 and isinstance(
        attention.to_k, torch.nn.Linear
    )
