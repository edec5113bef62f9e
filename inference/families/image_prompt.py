"""A picture as a prompt: the image adapter of a UNet (IP-Adapter).

Ye et al. 2023, arXiv:2308.06721. An image encoder makes a vector of the picture, a projection makes
a few tokens of that, and every cross-attention of the UNet looks at these beside the words; see
`ImageAttention`. While no picture prompts, there is no trace of it in the UNet.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from inference.families.cache import Cache
from inference.families.conditioning import ImagePrompt, Row
from inference.families.image_attention import ImageAttention
from inference.families.sending import send
from inference.options import Style
from inference.request import GenerationRequest
from inference.tasks.files import opened

KEPT = 64
"""Pictures whose tokens are remembered; those of SDXL's adapter are 16 kB in bf16."""


class PictureEncoder:
    """Makes tokens of pictures, and remembers them.

    processor: an image processor of transformers. network: a CLIPVisionModelWithProjection.
    projection: from its vector, [1, m], to the tokens, [1, n, width].
    """

    def __init__(self, processor: Any, network: Any, projection: Any, *, kept: int = KEPT) -> None:
        self._processor = processor
        self._network = network
        self._projection = projection
        # Between two uses the networks may be kept elsewhere.
        self._device, self._dtype = torch.device(network.device), network.dtype
        self._known: Cache[bytes, Tensor] = Cache(kept)

    @property
    def networks(self) -> tuple[Any, ...]:
        """The image encoder and the projection."""
        return self._network, self._projection

    def tokens(self, picture: bytes) -> Tensor:
        """Of a picture's file, [1, n, width]. Raises PictureError for one that is none."""
        key = hashlib.sha256(picture).digest()
        return self._known.get(key, lambda: self._projection(self._vector(picture)))

    def blank(self) -> Tensor:
        """Of no picture, [1, n, width]: what guidance steers away from."""
        width = int(self._network.config.projection_dim)
        nothing = torch.zeros(1, width, device=self._device, dtype=self._dtype)
        return self._known.get(b"", lambda: self._projection(nothing))

    def _vector(self, picture: bytes) -> Tensor:
        image = opened(picture).convert("RGB")
        values = self._processor(image, return_tensors="pt").pixel_values
        vector: Tensor = self._network(values.to(self._device, self._dtype)).image_embeds
        return vector


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageLayer:
    """One cross-attention of the UNet with what the adapter adds to it.

    attention: diffusers' Attention. keys, values: see `ImageAttention`. keeps: the values of
    `Style.keep` with which it looks at the picture.
    """

    attention: Any
    keys: Tensor
    values: Tensor
    keeps: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageAdapter:
    """encoder: of the pictures. layers: every cross-attention of the UNet."""

    encoder: PictureEncoder
    layers: tuple[ImageLayer, ...]

    def prompted(self, rows: Sequence[Row], request: GenerationRequest) -> tuple[Row, ...]:
        """The rows of a request, with its style picture if it has one and if that has any weight.

        The conditional row, which is the last, sees the picture and the other one none.
        Raises PictureError for one that cannot be read.
        """
        options, picture = request.options, request.second
        if not isinstance(options, Style) or picture is None or options.scale == 0:
            return tuple(rows)
        shown = [self.encoder.blank() for _ in rows[1:]] + [self.encoder.tokens(picture)]
        return tuple(
            replace(row, image=ImagePrompt(tokens=tokens, scale=options.scale, keep=options.keep))
            for row, tokens in zip(rows, shown, strict=True)
        )

    @contextmanager
    def laid_over(self, prompts: Sequence[ImagePrompt]) -> Iterator[None]:
        """For a forward pass of the UNet over rows with these prompts, one each.

        Layers that no row of the pass wants are laid over too, by a factor of 0: a row's bits must
        not depend on what its neighbours keep.
        """
        like = self.layers[0].keys
        tokens = torch.cat([prompt.tokens for prompt in prompts]).to(like.dtype)
        factors = {
            keeps: _factors(prompts, keeps, like) for keeps in {each.keeps for each in self.layers}
        }
        own = [layer.attention.processor for layer in self.layers]
        try:
            for layer in self.layers:
                layer.attention.processor = ImageAttention(
                    layer.keys, layer.values, tokens, factors[layer.keeps]
                )
            yield
        finally:
            for layer, processor in zip(self.layers, own, strict=True):
                layer.attention.processor = processor


def _factors(prompts: Sequence[ImagePrompt], keeps: frozenset[str], like: Tensor) -> Tensor:
    """[rows, 1, 1]: each row's scale in layers of this kind, of the kind and place of `like`."""
    scales = [prompt.scale if prompt.keep in keeps else 0.0 for prompt in prompts]
    return send(torch.tensor(scales, dtype=like.dtype), like.device)[:, None, None]
