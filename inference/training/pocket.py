"""The pocket model: a small latent diffusion model in Stable Diffusion's layout.

Trained with v-prediction (Salimans and Ho 2022) on a schedule whose last step is pure noise (Lin et
al. 2024), caption dropout for guidance (Ho and Salimans 2022), and image-to-image pairs. For a pair
the noise carries the source: with a source z0, a target z1 and an entry step s, the model sees

    x_t = sqrt(a_t) z1 + sqrt(1 - a_t) (e + c_s (z0 - z1)),   c_s = sqrt(a_s / (1 - a_s)),   t <= s

and predicts v for z1 and that noise. At t = s this is exactly the noised source, where plain
image-to-image enters the schedule; below s it is what a DDIM step towards z1 leaves behind. So the
ordinary pipeline follows trajectories that the model was trained on, from a photograph to the style
that the prompt asks for, with no input of its own for the source.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from inference.request import STRENGTH_BANDS
from inference.training.autoencoder import to_tensor
from inference.training.captions import caption
from inference.training.data import Facts, Pixels
from inference.training.noising import Noising, carrying
from inference.training.shards import Shard
from inference.training.tokens import ids_of

CHANNELS = (64, 96, 160)
TEXT_WIDTH = 128
ENTRY = {"style": 300, "light": 450, "subject": 700}
"""The earliest entry step of a pair whose source differs in style, light or subject, of 1000."""
USUAL_ENTRY = round(1000 * STRENGTH_BANDS["balanced"])
"""The likeliest entry step of a pair of one subject: that of the strength members use unless they
say another."""
FOCUS = 4.0
"""How much an error counts where it matters most, such as at the subject, against elsewhere: that
is small, and without this most of what is learned is the land around it."""
ALIKE = 0.05
"""Latents of the same pictures, whose standard deviation is about 1, differ by less: so much for
another device's arithmetic."""
LESS_NOISE = 4.0
"""By how much the signal-to-noise ratio of plain betas is multiplied at every step."""


def build_scheduler() -> DDIMScheduler:
    """The noise schedule: 1000 steps, zero terminal SNR, v-prediction, trailing spacing.

    Less noisy than Stable Diffusion's (with zero terminal SNR) in its middle: at step 600 the ratio
    of signal to noise is 3.0, not 0.15. Small latents lose as much to less noise, and so the ratio
    is multiplied, by (64 / 32)² for half the side (Hoogeboom et al. 2023, "simple diffusion",
    section 3.1). A picture painted over at the strength that members use is still that picture.
    The betas written are `trained_betas`; `beta_start` and the like beside them mean nothing.
    """
    alphas = _plain_scheduler().alphas_cumprod.double()
    odds = LESS_NOISE * alphas / (1 - alphas)
    shifted = odds / (1 + odds)
    betas = 1 - shifted / torch.cat([torch.ones(1), shifted[:-1]])
    made = DDIMScheduler.from_config(
        _plain_scheduler().config, trained_betas=[float(f"{beta:.6g}") for beta in betas.tolist()]
    )
    assert isinstance(made, DDIMScheduler)
    return made


def _plain_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00005,
        beta_end=0.004,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
    )


def build_unet(
    channels: Sequence[int] = CHANNELS, latent: int = 8, text: int = TEXT_WIDTH
) -> UNet2DConditionModel:
    """An untrained UNet; `sample_size` 32 with eight-fold latents makes 256 x 256 native."""
    n = len(channels)
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=latent,
        out_channels=latent,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * (n - 1),
        up_block_types=("CrossAttnUpBlock2D",) * (n - 1) + ("UpBlock2D",),
        block_out_channels=tuple(channels),
        layers_per_block=1,
        cross_attention_dim=text,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_text_encoder(
    tokenizer: CLIPTokenizer, width: int = TEXT_WIDTH, layers: int = 3
) -> CLIPTextModel:
    """An untrained text encoder for the tokenizer's vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            projection_dim=width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


@dataclass(frozen=True)
class Latents:
    """An encoded shard: float16 [groups * per_group, 8, h / 8, w / 8], scaled, and its facts."""

    values: Tensor
    facts: tuple[Facts, ...]
    per_group: int
    batch: int
    weight: float


@torch.no_grad()
def encode(
    vae: AutoencoderKL, shard: Shard, batch: int, weight: float, kept: Path | None = None
) -> Latents:
    """The shard's latents; `batch` and `weight` say how it is to be drawn from.

    They are read from the file `kept` when it holds them, and written to it when not.
    """
    count = len(shard.facts)
    values = None if kept is None else _read(kept, vae, shard)
    if values is None:
        values = torch.cat(
            [_encoded(vae, shard.pixels[at : at + 16]) for at in range(0, count, 16)]
        )
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.save(values, kept)
    return Latents(values[:count], shard.facts, shard.per_group, batch, weight)


def _encoded(vae: AutoencoderKL, pictures: Pixels) -> Tensor:
    """uint8 [n, h, w, 3] to float16 latents, scaled, in memory."""
    device = next(vae.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        latents = vae.encode(to_tensor(pictures).to(device)).latent_dist.mode()
    return (latents.float() * vae.config.scaling_factor).half().cpu()


def _read(kept: Path, vae: AutoencoderKL, shard: Shard) -> Tensor | None:
    """None where the file is missing or, by a few of them, holds the latents of other pictures or
    of another autoencoder.
    """
    if not kept.exists():
        return None
    values: Tensor = torch.load(kept, weights_only=True)
    if len(values) < len(shard.facts):
        return None
    few = np.linspace(0, len(shard.facts) - 1, 8).astype(int)
    now = _encoded(vae, shard.pixels[few])
    same = now.shape == values[few].shape and (now - values[few]).abs().mean() < ALIKE
    return values if same else None


@dataclass(frozen=True)
class Draw:
    """One training example: the target's and the source's index, the step, and the words."""

    target: int
    source: int
    step: int
    entry: int
    words: str


def _entry(target: Facts, source: Facts) -> int:
    if target.subject != source.subject:
        return ENTRY["subject"]
    return ENTRY["style"] if target.body == source.body else ENTRY["light"]


def noisy_step(rng: random.Random, entry: int) -> int:
    """A step of 0 to `entry`; one is the likelier the later, the noisier, it is.

    What a picture shows is decided in the noise, and only there by the words.
    """
    return entry if rng.random() < 0.04 else int((entry + 1) * rng.random() ** (1 / 3))


def draw(latents: Latents, rng: random.Random, pairs: float, dropout: float) -> Draw:
    """Draws an example; a share `pairs` has a source, a share `dropout` has no words."""
    first = rng.randrange(len(latents.facts) // latents.per_group) * latents.per_group
    target = first + rng.randrange(latents.per_group)
    facts = latents.facts[target]
    source = target
    if rng.random() < pairs:
        source = first if rng.random() < 0.6 else first + rng.randrange(latents.per_group)
    if source == target:
        entry = 999
        step = noisy_step(rng, entry)
        named = rng.random() < 0.6
    else:
        before = latents.facts[source]
        earliest = _entry(facts, before)
        entry = min(999, int(rng.triangular(earliest, 1000, max(earliest, USUAL_ENTRY))))
        if rng.random() < 0.15:
            step = entry
        elif facts.subject != before.subject:
            step = noisy_step(rng, entry)
        else:
            step = rng.randrange(entry + 1)
        named = before.style != "photo" or rng.random() < 0.6
    words = "" if rng.random() < dropout else caption(facts, rng, named)
    return Draw(target, source, step, entry, words)


def at_subjects(facts: Sequence[Facts], height: int, width: int) -> Tensor:
    """Where the subject stands in each picture, [n, 1, height, width], in latent pixels."""
    where = torch.zeros(len(facts), 1, height, width, dtype=torch.bool)
    for one, said in zip(where, facts, strict=True):
        left, top, right, bottom = said.box
        rows = slice(int(top * height), math.ceil(bottom * height))
        one[:, rows, int(left * width) : math.ceil(right * width)] = True
    return where


def focus(where: Tensor) -> Tensor:
    """How much each latent pixel counts, `FOCUS` times as much where [n, 1, h, w] is true; of mean
    1 in every picture.
    """
    weights = torch.where(where, FOCUS, 1.0)
    return weights / weights.mean(dim=(1, 2, 3), keepdim=True)


class PocketTask:
    """Trains the UNet, and the text encoder unless it is frozen, on cached latents."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        latents: Sequence[Latents],
        *,
        device: str = "cpu",
        pairs: float = 0.65,
        dropout: float = 0.1,
        freeze_text: bool = False,
        autocast: bool = True,
    ) -> None:
        self.unet = unet.to(device).to(memory_format=torch.channels_last)
        self.text_encoder = text_encoder.to(device).requires_grad_(not freeze_text)
        self.tokenizer = tokenizer
        self.latents = list(latents)
        self.device = torch.device(device)
        self.pairs, self.dropout = pairs, dropout
        self.freeze_text, self.autocast = freeze_text, autocast
        self.noising = Noising(build_scheduler().config)

    def modules(self) -> dict[str, nn.Module]:
        """The UNet and the text encoder, where it is trained."""
        trained: dict[str, nn.Module] = {"unet": self.unet}
        return trained if self.freeze_text else trained | {"text_encoder": self.text_encoder}

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Squared error of v over one batch of one size, most of all where the subjects stand."""
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        (shard,) = rng.choices(self.latents, [s.weight for s in self.latents])
        draws = [draw(shard, rng, self.pairs, self.dropout) for _ in range(shard.batch)]
        target = shard.values[[d.target for d in draws]].float()
        source = shard.values[[d.source for d in draws]].float()
        noise = torch.randn(target.shape, generator=generator)
        carried = self.noising.ratio(torch.tensor([d.entry for d in draws]))
        noise = carrying(noise, source, target, carried)
        steps = torch.tensor([d.step for d in draws])
        noisy = self.noising.noisy(target, noise, steps)
        wanted = self.noising.wanted(target, noise, steps).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            ids = ids_of(self.tokenizer, [d.words for d in draws]).to(self.device)
            hidden = self.text_encoder(ids)[0]
            noisy = noisy.to(self.device).contiguous(memory_format=torch.channels_last)
            v = self.unet(noisy, steps.to(self.device), hidden).sample
        counts = focus(at_subjects([shard.facts[d.target] for d in draws], *target.shape[2:]))
        error = ((v.float() - wanted).square() * counts.to(self.device)).mean(dim=(1, 2, 3))
        paired = torch.tensor([d.source != d.target for d in draws])
        weight = torch.where(paired, 1 / (1 + 0.25 * carried), 1.0).to(self.device)
        loss = (weight * error).mean()
        return loss, {"loss": loss.item()}

    def sample(self, folder: Path, step: int) -> None:
        """Sheets are made from the averaged weights by `samples.PocketSheets`, which wraps this."""
