"""What steers a model: an encoded prompt, and one row of a forward pass made from it."""

from collections.abc import Hashable
from dataclasses import dataclass, replace

from torch import Tensor

from inference.families.lora_set import NO_LORAS, LoraSet


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PromptEmbedding:
    """One prompt as the text encoders see it.

    tokens: [1, length, width]; pooled: [1, width], or None where the model uses none.
    pins: of the embeddings in it, as `LoraSet.pins`.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    pins: tuple[tuple[str, str], ...] = ()

    @property
    def length(self) -> int:
        """Tokens, padding included."""
        return int(self.tokens.shape[1])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Control:
    """What a ControlNet looks at for one picture.

    picture: [1, 3, height, width], fp32, 0…1, in pixels of the work size. scale: of what it adds.
    """

    picture: Tensor
    scale: float

    def blank(self, width: int, height: int) -> "Control":
        """Of another size, in pixels, and with nothing to be seen."""
        return replace(self, picture=self.picture.new_zeros(1, 3, height, width))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImagePrompt:
    """What an image adapter tells of a style picture to one row.

    tokens: [1, n, width]. scale: above 0, at most 1; of what they add. keep: which layers look at
    them, as in `inference.options.Style`.
    """

    tokens: Tensor
    scale: float
    keep: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """The conditioning of one row; rows of equal `kind` can share a forward pass.

    tokens: [1, length, width].
    pooled, time_ids: SDXL's micro-conditioning, [1, n] each, else None.
    guidance_embedding: [1, n] for a model that takes guidance as an input, else None.
    loras: that must be in force in the forward pass.
    pins: of the LoRAs and embeddings that it takes, as `LoraSet.pins`.
    control: what steers it besides, by a ControlNet, else None.
    image: likewise by an image adapter.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    time_ids: Tensor | None = None
    guidance_embedding: Tensor | None = None
    loras: LoraSet = NO_LORAS
    pins: tuple[tuple[str, str], ...] = ()
    control: Control | None = None
    image: ImagePrompt | None = None

    @property
    def kind(self) -> tuple[Hashable, ...]:
        """Everything about it that must agree within one forward pass."""
        parts = (self.pooled, self.time_ids, self.guidance_embedding)
        shapes = (0 if part is None else part.shape[1] for part in parts)
        steered = (self.control is not None, self.image is not None)
        return (*self.tokens.shape[1:], *shapes, self.loras.mix, *steered)
