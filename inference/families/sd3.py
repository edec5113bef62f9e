"""Stable Diffusion 3 as the engine drives it: one transformer, steered by CLIP and T5."""

from collections.abc import Sequence

import torch
from torch import Tensor

from inference.errors import RequestError
from inference.families.base import Line
from inference.families.compiled import forward_of
from inference.families.conditioning import Row
from inference.families.flow import FlowModel, join_pooled
from inference.request import GenerationRequest


class SD3Model(FlowModel):
    """Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv:2403.03206)."""

    even_sigmas = False

    @property
    def patch(self) -> int:
        """Latents on a side of what one token of the transformer covers."""
        return int(self.transformer.config.patch_size)

    @property
    def max_side(self) -> int:
        """The longest side that it has positions for, pixels."""
        return int(self.transformer.config.pos_embed_max_size) * self.patch * self.codec.factor

    def rows(self, request: GenerationRequest, *, width: int, height: int) -> tuple[Row, ...]:
        """The unconditional row, where guidance asks for one, and the conditional one.

        Raises RequestError for a prompt it cannot read, a LoRA that does not suit and for a
        picture that is too large.
        """
        if max(width, height) > self.max_side:
            raise RequestError(
                f"{width}×{height} pixels are too large for this model; "
                f"the longest allowed side is {self.max_side}."
            )
        loras = self.adapters.choose(request.loras)
        texts = [(request.prompt, False)]
        if request.guidance > 1:
            texts.insert(0, (request.negative_prompt, True))
        return tuple(
            Row(
                tokens=prompt.tokens,
                pooled=prompt.pooled,
                loras=loras,
                pins=loras.pins + prompt.pins,
            )
            for prompt in self.prompts.encode(texts, loras)
        )

    def predict(self, lines: Sequence[Line]) -> Tensor:
        """One forward pass over rows of one kind. Gives [lines, C, h, w], fp32."""
        rows = [row for _, _, row in lines]
        self.adapters.use_for_denoising(rows[0].loras)
        velocity: Tensor = forward_of(self.transformer, self.compiled, rows[0].loras)(
            hidden_states=torch.cat([latents for latents, _, _ in lines]).to(self.dtype),
            timestep=torch.stack([t.to(self.device, torch.float32) for _, t, _ in lines]),
            encoder_hidden_states=torch.cat([row.tokens for row in rows]).to(self.dtype),
            pooled_projections=join_pooled(rows).to(self.dtype),
            return_dict=False,
        )[0]
        return velocity.float()
