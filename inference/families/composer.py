"""Small pictures from words alone, for a model to paint over: the base of a cascade.

What a picture shows is decided while it is nearly all noise, and there the word for a subject
changes little of a large picture's error: a small model learns styles and light long before it
learns to hear that word. So a network of its own decides it, on few latents and for one kind of
picture, a photograph of one thing; the model then paints over that as over a member's picture
(Ho et al. 2022, "Cascaded Diffusion Models").

Rectified flow (Liu et al. 2023, "Flow Straight and Fast"): between a picture's latents z0 and
noise e lie z_t = (1 - t) z0 + t e, the network predicts e - z0, and Euler steps lead from t = 1 to
0, with classifier-free guidance (Ho and Salimans 2022). It is a U-Net over 2 × 2 patches of the
latents that is told t and the text encoder's pooled output by the scale and shift of its
normalisations (Dhariwal and Nichol 2021, section 3).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor, nn
from torch.nn import functional

from inference.errors import ModelError
from inference.families.clip import ClipEncoder
from inference.families.codecs import load_codec
from inference.families.folder import ModelFolder
from inference.families.latents import LatentCodec
from inference.families.parts import load_part
from inference.families.small_networks import CONFIG, read_network, save_network
from inference.families.weights import load_weights
from inference.request import MAX_GUIDANCE, MAX_STEPS

PATCH = 2
"""Side of what is one point to the network, latent pixels."""
FACTOR = 2 * PATCH
"""The sides of the latents are multiples of this."""
MAX_AREA = 128**2
SHARPER = 400
"""Per cent of what enlarging blurs that is added again: where edges are soft, paintings in lines
have none, and the subject is lost."""
_HEADS = 4
_GROUPS = 8
_TIMES = 1000.0
"""What t is multiplied by before its sines are taken, as diffusers counts timesteps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComposerConfig:
    """What its `config.json` says.

    channels: of the two levels. latent_channels, text_width: of the model's latents and of its text
    encoder's pooled output. area: how many latent pixels a picture has, about, 1…MAX_AREA. steps:
    1…MAX_STEPS; guidance: 0…MAX_GUIDANCE, 1 and below runs without the negative prompt.

    Raises ValueError for numbers that make no network.
    """

    channels: tuple[int, int] = (64, 80)
    width: int = 128
    latent_channels: int = 8
    text_width: int = 128
    area: int = 256
    steps: int = 16
    guidance: float = 5.0

    def __post_init__(self) -> None:
        if len(self.channels) != 2 or any(c < 1 or c % _GROUPS for c in self.channels):
            raise ValueError(f"channels {list(self.channels)} are no two multiples of {_GROUPS}")
        if self.width < 2 or self.width % 2:
            raise ValueError(f"width {self.width} is no even number")
        if min(self.latent_channels, self.text_width) < 1:
            raise ValueError("there are no latents or no words")
        if not 1 <= self.area <= MAX_AREA or not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"area {self.area} or steps {self.steps} is out of range")
        if not 0 <= self.guidance <= MAX_GUIDANCE:
            raise ValueError(f"guidance {self.guidance} is out of range")

    def sides(self, width: int, height: int) -> tuple[int, int]:
        """Height and width in latent pixels of a picture of about this aspect ratio."""
        ratio = math.sqrt(width / height)
        side = math.sqrt(self.area)
        rows, columns = (max(1, round(s / FACTOR)) for s in (side / ratio, side * ratio))
        return rows * FACTOR, columns * FACTOR


class _Block(nn.Module):
    def __init__(self, before: int, after: int, told: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(_GROUPS, before)
        self.conv_in = nn.Conv2d(before, after, 3, padding=1)
        self.norm_out = nn.GroupNorm(_GROUPS, after, affine=False)
        self.conv_out = nn.Conv2d(after, after, 3, padding=1)
        self.told = nn.Linear(told, 2 * after)
        self.skip = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.told(told)[..., None, None].chunk(2, dim=1)
        h = self.conv_in(functional.silu(self.norm_in(x)))
        h = self.conv_out(functional.silu(self.norm_out(h) * (1 + scale) + shift))
        return self.skip(x) + h


class _Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        parts = self.qkv(self.norm(x)).reshape(n, 3, _HEADS, c // _HEADS, h * w)
        q, k, v = parts.transpose(-1, -2).unbind(1)
        seen = functional.scaled_dot_product_attention(q, k, v).transpose(-1, -2)
        return x + self.out(seen.reshape(n, c, h, w))


class ComposerNet(nn.Module):
    """The network: latents, times and pooled words to the velocity e - z0."""

    def __init__(self, config: ComposerConfig) -> None:
        super().__init__()
        self.config = config
        (top, low), told = config.channels, config.width
        planes = config.latent_channels * PATCH**2
        self.time = nn.Sequential(nn.Linear(told, told), nn.SiLU(), nn.Linear(told, told))
        self.words = nn.Linear(config.text_width, told)
        self.stem = nn.Conv2d(planes, top, 3, padding=1)
        self.down = _Block(top, top, told)
        self.down_attention = _Attention(top)
        self.low = _Block(top, low, told)
        self.low_attention = _Attention(low)
        self.middle = _Block(low, low, told)
        self.rise = _Block(2 * low, low, told)
        self.up = _Block(low + top, top, told)
        self.up_attention = _Attention(top)
        self.last = _Block(2 * top, top, told)
        self.norm = nn.GroupNorm(_GROUPS, top)
        self.head = nn.Conv2d(top, planes, 3, padding=1)
        nn.init.zeros_(self.head.weight)

    def forward(self, latents: Tensor, times: Tensor, pooled: Tensor) -> Tensor:
        """latents [n, c, h, w], h and w multiples of FACTOR; times [n] in 0..1; pooled
        [n, text_width].
        """
        told = functional.silu(self.time(self._waves(times)) + self.words(pooled))
        stem = self.stem(functional.pixel_unshuffle(latents, PATCH))
        top = self.down_attention(self.down(stem, told))
        low = self.low_attention(self.low(functional.avg_pool2d(top, 2), told))
        x = self.rise(torch.cat([self.middle(low, told), low], dim=1), told)
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.up_attention(self.up(torch.cat([x, top], dim=1), told))
        x = self.last(torch.cat([x, stem], dim=1), told)
        return functional.pixel_shuffle(self.head(functional.silu(self.norm(x))), PATCH)

    def _waves(self, times: Tensor) -> Tensor:
        half = self.config.width // 2
        places = torch.arange(half, device=times.device) / half
        turns = times[:, None] * _TIMES * torch.exp(-math.log(10_000) * places)
        return torch.cat([turns.cos(), turns.sin()], dim=1)

    def sample(self, noise: Tensor, pooled: Tensor, negative: Tensor) -> Tensor:
        """The latents [n, c, h, w] that `noise` becomes; both texts [n, text_width]."""
        steps, guidance = self.config.steps, self.config.guidance
        texts = torch.cat([pooled, negative]) if guidance > 1 else pooled
        latents = noise
        for step in range(steps, 0, -1):
            times = torch.full((len(texts),), step / steps, device=noise.device)
            found = self(latents.repeat(len(texts) // len(noise), 1, 1, 1), times, texts)
            if guidance > 1:
                wanted, unwanted = found.chunk(2)
                found = unwanted + guidance * (wanted - unwanted)
            latents = latents - found / steps
        return latents


class Composer:
    """A network with the parts of the model that it reads words and draws pictures by. On the CPU.

    May be used from several threads, of which one at a time works: each would use all cores. It
    hears neither learned words nor LoRAs.
    """

    def __init__(self, net: ComposerNet, clip: ClipEncoder, codec: LatentCodec) -> None:
        self._net, self._clip, self._codec = net, clip, codec
        self._alone = Lock()

    @torch.inference_mode()
    def compose(
        self, prompt: str, negative_prompt: str, size: tuple[int, int], seed: int
    ) -> Image.Image:
        """A picture of `size` (width, height), coarse, of what the prompt names; the same for the
        same seed. Raises RequestError for a prompt with a bad weight.
        """
        rows, columns = self._net.config.sides(*size)
        # Not the numbers of the model's own noise for that seed: the two are going to be mixed.
        drawn = np.random.default_rng((29, seed)).standard_normal(
            (1, self._codec.channels, rows, columns), np.float32
        )
        with self._alone:
            pooled, negative = (self._clip.pooled(text) for text in (prompt, negative_prompt))
            latents = self._net.sample(torch.from_numpy(drawn), pooled, negative)
            (pixels,) = self._codec.decode(latents)
        small = Image.fromarray(pixels)
        enlarged = max(wanted / side for wanted, side in zip(size, small.size, strict=True))
        fitted = ImageOps.fit(small, size, Image.Resampling.BICUBIC)
        return fitted.filter(ImageFilter.UnsharpMask(enlarged, SHARPER, 0))


def save_composer(net: ComposerNet, folder: Path) -> None:
    """Writes the network's folder, its weights in float16."""
    save_network(net, net.config, folder)


def read_composer(folder: Path) -> ComposerNet:
    """The inverse of `save_composer`. Raises ModelError that names the file at fault."""
    return read_network(folder, _described, "composer")


def _described(values: dict[str, Any]) -> ComposerNet:
    top, low = values["channels"]
    whole = {k: int(v) for k, v in values.items() if k not in ("channels", "guidance")}
    guidance = float(values["guidance"])
    return ComposerNet(ComposerConfig(channels=(int(top), int(low)), guidance=guidance, **whole))


def load_composer(folder: Path, model: Path, vae: Path | None = None) -> Composer:
    """The composer of `folder` for the Stable Diffusion folder `model`.

    vae: the folder of an autoencoder that the model uses instead of its own.

    Raises ModelError that names the file at fault, or says that the two do not fit.
    """
    from transformers import CLIPTextModel, CLIPTokenizer

    net = read_composer(folder).eval().requires_grad_(False)
    parts, cpu = ModelFolder(model, vae=vae), torch.device("cpu")
    tokenizer = load_part(CLIPTokenizer, parts.require_vocabulary("tokenizer"))
    encoder = load_weights(parts, CLIPTextModel, "text_encoder", dtype=torch.float32, device=cpu)
    codec = load_codec(parts, dtype=torch.float32, device=cpu)
    wanted = net.config.latent_channels, net.config.text_width
    found = codec.channels, int(encoder.config.hidden_size)
    if wanted != found:
        raise ModelError(
            f"{folder / CONFIG} is for models of {wanted[0]} latent channels and words of width "
            f"{wanted[1]}; {model} has {found[0]} and {found[1]}."
        )
    return Composer(net, ClipEncoder(tokenizer, encoder), codec)
