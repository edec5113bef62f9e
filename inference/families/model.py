"""Stable Diffusion and SDXL as the engine drives them: one UNet, steered by CLIP."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.families.adapters import Adapters
from inference.families.base import Entry, Line, Modules
from inference.families.compiled import CompiledForward, forward_of
from inference.families.conditioning import PromptEmbedding, Row
from inference.families.control import ControlNet
from inference.families.diffusion import enter_diffusion
from inference.families.hole import Hole
from inference.families.image_prompt import ImageAdapter
from inference.families.latents import LatentCodec, Posterior
from inference.families.lora_set import LoraSet
from inference.families.prompts import Prompts
from inference.families.schedulers import SchedulerFactory
from inference.families.sending import send
from inference.request import GenerationRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class MicroConditioning:
    """SDXL's extra inputs. aesthetic: a refiner's scores instead of the target size."""

    aesthetic: bool

    def time_ids(self, width: int, height: int, *, negative: bool) -> list[float]:
        """Original size, crop and target size as diffusers sets them, in pixels."""
        if self.aesthetic:
            return [height, width, 0, 0, 2.5 if negative else 6.0]
        return [height, width, 0, 0, height, width]


@dataclass(frozen=True, kw_only=True, eq=False)
class UNetModel:
    """A Stable Diffusion-type model: a UNet, an autoencoder and text encoders.

    adapters: the LoRAs of the UNet and the text encoders.
    dtype: of the UNet's weights; latents and schedulers are fp32 whatever it is.
    micro: for SDXL, else None.
    compiled: the UNet's forward pass where it is to be compiled.
    control: the ControlNet that runs with it for rows that have a `Row.control`.
    image_adapter: what lets the UNet see a `Row.image`.
    """

    unet: Any
    codec: LatentCodec
    prompts: Prompts
    adapters: Adapters
    schedulers: SchedulerFactory
    device: torch.device
    dtype: torch.dtype
    micro: MicroConditioning | None = None
    compiled: CompiledForward | None = None
    control: ControlNet | None = None
    image_adapter: ImageAdapter | None = None

    @property
    def modules(self) -> Modules:
        """The UNet, the autoencoder and the text encoders, that of pictures among them."""
        adapter = self.image_adapter
        return Modules(
            denoiser=self.unet,
            autoencoder=self.codec.network,
            text_encoders=(
                *self.prompts.encoders.networks,
                *(() if adapter is None else adapter.encoder.networks),
            ),
        )

    @property
    def sees_hole(self) -> bool:
        """Whether its UNet was widened by a mask and what is kept, as for inpainting."""
        return int(self.unet.config.in_channels) == 2 * self.codec.channels + 1

    @property
    def takes_guidance(self) -> bool:
        """Whether guidance is an input, so that no unconditional row is ever needed."""
        return self.unet.config.time_cond_proj_dim is not None

    def rows(self, request: GenerationRequest, *, width: int, height: int) -> tuple[Row, ...]:
        """The unconditional row, where guidance asks for one, and the conditional one."""
        loras = self.adapters.choose(request.loras)
        texts = [(request.prompt, False)]
        if request.guidance > 1 and not self.takes_guidance:
            texts.insert(0, (request.negative_prompt, True))
        rows = tuple(
            self._row(prompt, (width, height), request.guidance, negative, loras)
            for prompt, (_, negative) in zip(self.prompts.encode(texts, loras), texts, strict=True)
        )
        return rows if self.image_adapter is None else self.image_adapter.prompted(rows, request)

    def enter(
        self,
        request: GenerationRequest,
        *,
        scheduler: str | None,
        shape: tuple[int, int, int],
        posterior: Posterior | None,
        generator: torch.Generator,
        hole: Hole | None = None,
    ) -> Entry:
        """Where diffusers' Stable Diffusion pipelines enter the schedule; see `DiffusionModel`."""
        return enter_diffusion(
            request,
            schedulers=self.schedulers,
            scheduler=scheduler,
            codec=self.codec,
            shape=shape,
            posterior=posterior,
            generator=generator,
            hole=hole,
        )

    def _row(
        self,
        prompt: PromptEmbedding,
        size: tuple[int, int],
        guidance: float,
        negative: bool,
        loras: LoraSet,
    ) -> Row:
        micro = self.micro
        return Row(
            tokens=prompt.tokens,
            pooled=None if micro is None else prompt.pooled,
            time_ids=None
            if micro is None
            else torch.tensor(
                [micro.time_ids(*size, negative=negative)],
                dtype=torch.float32,  # bf16 has no 1000
                device=self.device,
            ),
            guidance_embedding=self._guidance_embedding(guidance) if self.takes_guidance else None,
            loras=loras,
            pins=loras.pins + prompt.pins,
        )

    def predict(self, lines: Sequence[Line]) -> Tensor:
        """One forward pass over rows of one kind. Gives [lines, C, h, w], fp32."""
        rows = [row for _, _, row in lines]
        self.adapters.use_for_denoising(rows[0].loras)
        forward = forward_of(self.unet, self.compiled, rows[0].loras)
        latents = torch.cat([latents for latents, _, _ in lines])
        inputs: dict[str, Any] = {
            "sample": latents.to(self.dtype, memory_format=torch.channels_last),
            "timestep": send(torch.stack([t.float() for _, t, _ in lines]), self.device),
            "encoder_hidden_states": _cat(row.tokens.to(self.dtype) for row in rows),
            "timestep_cond": _cat(row.guidance_embedding for row in rows),
            "added_cond_kwargs": None
            if self.micro is None
            else {
                "text_embeds": _cat(row.pooled for row in rows),
                "time_ids": _cat(row.time_ids for row in rows),
            },
        }
        controls = [row.control for row in rows if row.control is not None]
        if controls:
            assert self.control is not None  # or nobody had made them
            inputs |= self.control.residuals(controls, **inputs)
            forward = self.unet  # what is compiled takes no residuals
        images = [row.image for row in rows if row.image is not None]
        overlay: AbstractContextManager[None] = nullcontext()
        if images:
            assert self.image_adapter is not None  # likewise
            overlay = self.image_adapter.laid_over(images)
            forward = self.unet  # nor other processors
        with overlay:
            prediction: Tensor = forward(**inputs, return_dict=False)[0]
        return prediction.float()

    def _guidance_embedding(self, guidance: float) -> Tensor:
        """Sines and cosines of the guidance, as consistency models are trained with."""
        width = int(self.unet.config.time_cond_proj_dim)
        half = width // 2
        step = torch.log(torch.tensor(10000.0)) / (half - 1)
        angles = torch.tensor([[guidance - 1]]) * 1000.0
        angles = angles * torch.exp(torch.arange(half, dtype=torch.float32) * -step)[None]
        embedding = torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
        padded = torch.nn.functional.pad(embedding, (0, width % 2))
        return padded.to(self.device, self.dtype)


def _cat(parts: Iterable[Tensor | None]) -> Tensor | None:
    """All of them in one batch; None where there are none."""
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present else None
