"""Flux as the engine drives it: one transformer over packed latents, steered by T5 and CLIP."""

from collections.abc import Sequence

import torch
from torch import Tensor

from inference.families.base import Line
from inference.families.compiled import forward_of
from inference.families.conditioning import Row
from inference.families.flow import FlowModel, join_pooled
from inference.request import GenerationRequest


class FluxModel(FlowModel):
    """Flux.1, dev and schnell (Black Forest Labs 2024).

    It never has an unconditional row: dev was distilled to take guidance as an input, schnell to
    need none. So a negative prompt has no effect, and on schnell guidance has none either.
    """

    even_sigmas = True

    @property
    def patch(self) -> int:
        """Latents on a side of what one token of the transformer covers."""
        return 2

    @property
    def takes_guidance(self) -> bool:
        """Whether guidance is an input."""
        return bool(self.transformer.config.guidance_embeds)

    def rows(self, request: GenerationRequest, *, width: int, height: int) -> tuple[Row, ...]:
        """The conditional row alone.

        Raises RequestError for a prompt it cannot read, or a LoRA that does not suit.
        """
        del width, height  # any size will do
        loras = self.adapters.choose(request.loras)
        (prompt,) = self.prompts.encode([(request.prompt, False)], loras)
        guidance = torch.tensor([[request.guidance]], device=self.device)
        return (
            Row(
                tokens=prompt.tokens,
                pooled=prompt.pooled,
                guidance_embedding=guidance if self.takes_guidance else None,
                loras=loras,
                pins=loras.pins + prompt.pins,
            ),
        )

    def predict(self, lines: Sequence[Line]) -> Tensor:
        """One forward pass over rows of one kind. Gives [lines, C, h, w], fp32."""
        rows = [row for _, _, row in lines]
        self.adapters.use_for_denoising(rows[0].loras)
        latents = torch.cat([latents for latents, _, _ in lines])
        height, width = latents.shape[2] // self.patch, latents.shape[3] // self.patch
        tokens = torch.cat([row.tokens for row in rows])
        guidance = [row.guidance_embedding for row in rows if row.guidance_embedding is not None]
        # The transformer takes time from 0 to 1.
        time = torch.stack([t.to(self.device, torch.float32) for _, t, _ in lines]) / 1000
        velocity: Tensor = forward_of(self.transformer, self.compiled, rows[0].loras)(
            hidden_states=pack(latents).to(self.dtype),
            timestep=time,
            guidance=torch.cat(guidance)[:, 0] if guidance else None,
            pooled_projections=join_pooled(rows).to(self.dtype),
            encoder_hidden_states=tokens.to(self.dtype),
            txt_ids=torch.zeros(tokens.shape[1], 3, device=self.device),
            img_ids=_positions(height, width, self.device),
            return_dict=False,
        )[0]
        return unpack(velocity.float(), height, width)


def pack(latents: Tensor) -> Tensor:
    """[B, C, 2h, 2w] as one token for each 2×2 latents: [B, h·w, 4C], in rows, channels outmost."""
    batch, channels, height, width = latents.shape
    blocks = latents.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return blocks.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * 4)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `pack`; height, width: in tokens."""
    batch, _, channels = tokens.shape
    blocks = tokens.reshape(batch, height, width, channels // 4, 2, 2)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels // 4, height * 2, width * 2)


def _positions(height: int, width: int, device: torch.device) -> Tensor:
    """Where each token is: [h·w, 3] of 0, row and column."""
    rows = torch.arange(height, device=device, dtype=torch.float32)
    columns = torch.arange(width, device=device, dtype=torch.float32)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([torch.zeros_like(x), y, x], dim=-1).reshape(-1, 3)
