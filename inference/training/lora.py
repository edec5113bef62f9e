"""A LoRA (Hu et al. 2021): small matrices beside a model's attention, trained on pairs.

Where a pair has an input, a share of the examples teaches image-to-image: the noise carries the
source, exactly as `inference.training.pocket` states, so that the model is trained on the path that
image-to-image (SDEdit, Meng et al. 2022) takes from the noised source to the output. All other
examples are plain denoising of the output under its words (Ho et al. 2020), which is also what
outputs alone are trained with. One in ten has no words, for guidance (Ho and Salimans 2022).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference.errors import ModelError
from inference.training.crops import PairCrops
from inference.training.edits import latents_of
from inference.training.noising import Noising, carrying

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""The projections of every attention layer, which get a LoRA."""
DROPPED = 0.1
"""Share of the examples without words."""
WEAKEST = 0.3
"""The least strength at which a source enters the schedule; less changes hardly anything."""
AT_ENTRY = 0.15
"""Share of the examples with a source that are seen right where they enter."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Words:
    """What a prompt becomes: tokens [1, n, width] and, for SDXL, the pooled vector [1, width]."""

    tokens: Tensor
    pooled: Tensor | None


def usual_rate(parameters: int) -> float:
    """The learning rate that suits a UNet with so many weights: pocket's 5e-3, SD's 1e-4."""
    return 5e-3 if parameters < 100_000_000 else 1e-4


def check_model(pipe: Any) -> None:
    """Raises ModelError for a model that is no plain text-to-image one."""
    if getattr(pipe, "text_encoder", None) is None:
        raise ModelError("A refiner cannot be adapted; choose a model with a text_encoder.")
    if pipe.unet.config.in_channels != pipe.vae.config.latent_channels:
        raise ModelError(
            f"The model's UNet has {pipe.unet.config.in_channels} input channels; what is "
            f"adapted must have {pipe.vae.config.latent_channels}."
        )
    if pipe.unet.config.time_cond_proj_dim is not None:
        raise ModelError("The model is distilled (its UNet takes the guidance); name its original.")


@torch.no_grad()
def read_words(pipe: Any, texts: Sequence[str], device: str) -> dict[str, Words]:
    """Every text and the empty one, as the model's own pipeline reads them."""
    made = {}
    for text in sorted({"", *texts}):
        encoded = pipe.encode_prompt(
            text, device=device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        tokens, pooled = encoded[0], encoded[2] if len(encoded) > 2 else None
        if not text and pooled is not None and pipe.config.force_zeros_for_empty_prompt:
            tokens, pooled = torch.zeros_like(tokens), torch.zeros_like(pooled)
        made[text] = Words(tokens=tokens, pooled=pooled)
    return made


def add_lora(unet: Any, rank: int, alpha: int) -> nn.ParameterDict:
    """Gives the UNet's attention a LoRA that changes nothing yet; its weights, in float32.

    Whatever else the UNet has is frozen. What it adds is scaled by alpha / rank.
    """
    from diffusers.training_utils import cast_training_params
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(
        LoraConfig(
            r=rank, lora_alpha=alpha, target_modules=list(ATTENTION), init_lora_weights="gaussian"
        )
    )
    cast_training_params(unet, torch.float32)
    trained = {name: p for name, p in unet.named_parameters() if p.requires_grad}
    return nn.ParameterDict({name.replace(".", "/"): p for name, p in trained.items()})


class LoraTask:
    """Trains a LoRA of the pipeline's UNet; everything else stays as it is."""

    def __init__(
        self,
        pipe: Any,
        crops: PairCrops,
        noising: Noising,
        *,
        rank: int = 8,
        alpha: int = 8,
        batch: int = 4,
        sources: float = 0.65,
        device: str = "cpu",
        autocast: bool = True,
    ) -> None:
        """`sources` is the share of examples that start from their pair's input, if it has one."""
        self.pipe = pipe.to(device)
        self.rank, self.alpha = rank, alpha
        for part in (pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
            if part is not None:
                part.requires_grad_(False)
        self.weights = add_lora(pipe.unet, rank, alpha)
        self.crops, self.noising = crops, noising
        self.batch, self.sources = batch, sources
        self.device, self.autocast = torch.device(device), autocast
        self.words = read_words(pipe, [pair.instruction for pair in crops.pairs], device)
        self.first = round(WEAKEST * noising.steps)

    def modules(self) -> dict[str, nn.Module]:
        """The LoRA's weights, and only those: a checkpoint stays small."""
        return {"lora": self.weights}

    def latents(self, picks: Sequence[int], rng: random.Random) -> tuple[Tensor, Tensor]:
        """Scaled latents of random crops of these pairs: sources and targets, [n, c, h, w]."""
        drawn = [self.crops.draw(i, rng) for i in picks]
        pixels = np.stack([source for source, _ in drawn] + [target for _, target in drawn])
        scaled = (
            latents_of(self.pipe.vae, pixels, self.autocast) * self.pipe.vae.config.scaling_factor
        )
        sources, targets = scaled.cpu().chunk(2)
        return sources, targets

    def entry(self, index: int, rng: random.Random) -> tuple[int, int] | None:
        """Where the source enters and the step that is seen; None for an example without one."""
        if self.crops.pairs[index].source is None or rng.random() >= self.sources:
            return None
        entry = rng.randrange(self.first, self.noising.steps)
        return entry, entry if rng.random() < AT_ENTRY else rng.randrange(entry + 1)

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the prediction over one batch."""
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        picks = [rng.randrange(len(self.crops.pairs)) for _ in range(self.batch)]
        said = ["" if rng.random() < DROPPED else self.crops.pairs[i].instruction for i in picks]
        sources, targets = self.latents(picks, rng)
        entries = [self.entry(i, rng) for i in picks]
        steps = torch.tensor([e[1] if e else rng.randrange(self.noising.steps) for e in entries])
        carried = torch.stack(
            [self.noising.ratio(torch.tensor(e[0])) if e else torch.tensor(0.0) for e in entries]
        )
        noise = torch.randn(targets.shape, generator=generator)
        noise = carrying(noise, sources, targets, carried)
        noisy = self.noising.noisy(targets, noise, steps).to(self.device)
        wanted = self.noising.wanted(targets, noise, steps).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            answer = self.pipe.unet(noisy, steps.to(self.device), **self._told(said)).sample
        error = (answer.float() - wanted).square().mean(dim=(1, 2, 3))
        # A source far from its target would drown the others.
        loss = (error / (1 + 0.25 * carried).to(self.device)).mean()
        return loss, {"loss": loss.item()}

    def _told(self, said: Sequence[str]) -> dict[str, Any]:
        """What the UNet is told besides the latents."""
        words = [self.words[text] for text in said]
        told: dict[str, Any] = {
            "encoder_hidden_states": torch.cat([w.tokens for w in words]).float()
        }
        pooled = [w.pooled for w in words if w.pooled is not None]
        if pooled:
            w, h = self.crops.size
            sizes = torch.tensor([[h, w, 0, 0, h, w]] * len(words), device=self.device)
            told["added_cond_kwargs"] = {
                "text_embeds": torch.cat(pooled).float(),
                "time_ids": sizes.float(),
            }
        return told

    def sample(self, folder: Path, step: int) -> None:
        """Sheets are made by `lora_sheets.LoraSheets`, which wraps this."""


def architecture(config: Mapping[str, Any], prediction: str) -> str:
    """What ModelSpec's `modelspec.architecture` calls a LoRA of a model with this UNet."""
    if config.get("addition_embed_type") == "text_time":
        return "stable-diffusion-xl-v1-base/lora"
    second = (
        "stable-diffusion-v2-768-v" if prediction == "v_prediction" else "stable-diffusion-v2-512"
    )
    known = {768: "stable-diffusion-v1", 1024: second}
    return f"{known.get(config['cross_attention_dim'], 'stable-diffusion')}/lora"
