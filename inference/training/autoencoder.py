"""The embedded autoencoder: a thin `AutoencoderKL`, eight times smaller each way, 8 channels.

Kingma and Welling 2014 in the form of Rombach et al. 2022, with plain reconstruction losses
(absolute, squared and gradient error) in place of perceptual and adversarial ones: there is no
pretrained network here to judge with.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

Pixels = NDArray[np.uint8]

CHANNELS = (16, 32, 64, 128)
LATENT_CHANNELS = 8


def build(channels: Sequence[int] = CHANNELS, latent: int = LATENT_CHANNELS) -> AutoencoderKL:
    """An untrained autoencoder; a picture of h x w becomes latents of h/8 x w/8."""
    n = len(channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * n,
        up_block_types=("UpDecoderBlock2D",) * n,
        block_out_channels=tuple(channels),
        layers_per_block=1,
        latent_channels=latent,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=256,
        scaling_factor=1.0,
    )


def to_tensor(pixels: Pixels) -> Tensor:
    """uint8 [n, h, w, 3] to float32 [n, 3, h, w] in -1..1, channels last in memory."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pixels(pictures: Tensor) -> Pixels:
    """The inverse of `to_tensor`, clipped."""
    scaled = pictures.float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return scaled.permute(0, 2, 3, 1).cpu().numpy()


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all of both."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else 10 * math.log10(255**2 / float(error))


@torch.no_grad()
def roundtrip(model: AutoencoderKL, pixels: Pixels) -> Pixels:
    """Pictures [n, h, w, 3] through the latents' mean and back; sides a multiple of 8."""
    device = next(model.parameters()).device
    out = []
    for one in np.split(pixels, len(pixels)):
        latent = model.encode(to_tensor(one).to(device)).latent_dist.mode()
        out.append(to_pixels(model.decode(latent).sample))
    return np.concatenate(out)


def spectra(pictures: Tensor, side: int = 16) -> Tensor:
    """Amplitudes of each `side` x `side` tile's Fourier transform; phases are dropped."""
    tiles = pictures.unfold(2, side, side).unfold(3, side, side)
    transformed = torch.fft.rfft2(tiles, norm="ortho")
    return torch.sqrt(transformed.real.square() + transformed.imag.square() + 1e-6)


class AutoencoderTask:
    """Random crops of a pile of pictures, reconstructed."""

    def __init__(
        self,
        model: AutoencoderKL,
        pictures: Pixels,
        *,
        batch: int = 16,
        crop: int = 64,
        device: str = "cpu",
        kl_weight: float = 5e-4,
        decoder_only: bool = False,
        texture: float = 0.0,
        latent_noise: float = 0.0,
        watch: Sequence[tuple[str, Pixels]] = (),
    ) -> None:
        """`pictures` is uint8 [n, h, w, 3]; `watch` names piles whose PSNR is reported.

        `decoder_only` keeps the latents as they are; `texture` weighs the error of local spectra,
        which asks for strokes of the right strength where their places cannot be known. The
        decoder sees latents with noise of up to `latent_noise` of their standard deviation, so that
        it forgives what a short diffusion training leaves behind.
        """
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.pictures = pictures
        self.batch, self.crop, self.device = batch, crop, device
        self.kl_weight, self.texture, self.latent_noise = kl_weight, texture, latent_noise
        self.decoder_only = decoder_only
        for part in (self.model.encoder, self.model.quant_conv):
            part.requires_grad_(not decoder_only)
        self.watch = watch

    def modules(self) -> dict[str, nn.Module]:
        """The autoencoder."""
        return {"vae": self.model}

    def crops(self, generator: torch.Generator) -> Tensor:
        """One batch, [batch, 3, crop, crop] in -1..1."""
        n, h, w, _ = self.pictures.shape
        picks = torch.randint(n, (self.batch,), generator=generator).tolist()
        ys = torch.randint(h - self.crop + 1, (self.batch,), generator=generator).tolist()
        xs = torch.randint(w - self.crop + 1, (self.batch,), generator=generator).tolist()
        c = self.crop
        parts = [
            self.pictures[i, y : y + c, x : x + c] for i, y, x in zip(picks, ys, xs, strict=True)
        ]
        return to_tensor(np.stack(parts)).to(self.device)

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Absolute, squared, gradient and coarse error; a small pull to a unit normal."""
        x = self.crops(generator)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            with torch.set_grad_enabled(not self.decoder_only):
                posterior = self.model.encode(x).latent_dist
            mean, logvar = posterior.mean.float(), posterior.logvar.float()
            spread = torch.randn(mean.shape, generator=generator).to(self.device)
            extra = torch.rand(len(x), 1, 1, 1, generator=generator).to(self.device)
            width = torch.exp(0.5 * logvar) + self.latent_noise * extra * mean.detach().std()
            y = self.model.decode(mean + width * spread).sample
        y = y.float()
        error = y - x
        squared = error.square().mean()
        edges = (error[..., 1:] - error[..., :-1]).abs().mean() + (
            error[..., 1:, :] - error[..., :-1, :]
        ).abs().mean()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        centre = mean.mean(dim=(0, 2, 3)).square().mean()
        coarse = sum(functional.avg_pool2d(error, k).abs().mean() for k in (2, 4, 8))
        loss = error.abs().mean() + 4 * squared + 0.25 * edges + coarse
        loss = loss + self.kl_weight * kl + 1e-3 * centre
        if self.texture:
            loss = loss + self.texture * (spectra(y) - spectra(x)).abs().mean()
        figures = {
            "loss": loss.item(),
            "db": -10 * math.log10(max(1e-9, squared.item() / 4)),
            "kl": kl.item(),
        }
        return loss, figures

    def sample(self, folder: Path, step: int) -> None:
        """Prints the PSNR of each watched pile and writes it beside its reconstruction."""
        columns = []
        for name, pixels in self.watch:
            back = roundtrip(self.model, pixels)
            print(f"step {step} {name} {psnr(pixels, back):.2f} dB", flush=True)
            n, h, w, _ = pixels.shape
            pairs = np.stack([pixels, back], axis=1)
            columns.append(pairs.transpose(0, 2, 1, 3, 4).reshape(n * h, 2 * w, 3))
        for column, (name, _) in zip(columns, self.watch, strict=True):
            Image.fromarray(column).save(folder / f"{name}-{step:06d}.png")


@torch.no_grad()
def set_scale(model: AutoencoderKL, pictures: Pixels) -> float:
    """Sets `scaling_factor` so that scaled latents of `pictures` have unit standard deviation."""
    device = next(model.parameters()).device
    parts = [
        model.encode(to_tensor(p).to(device)).latent_dist.mode()
        for p in np.split(pictures, len(pictures))
    ]
    factor = 1.0 / float(torch.cat([p.flatten() for p in parts]).std())
    model.register_to_config(scaling_factor=factor)
    return factor
