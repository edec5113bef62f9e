"""Small pictures of latents without the autoencoder's own decoder."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from inference.families.latents import LatentCodec, Pixels
from inference.families.tiny_codec import TinyCodec

MAX_SIDE = 256
"""Largest short side of a preview, pixels."""

_QUALITY = 75
_RIDGE = 1e-3
_SAMPLES = 6
_SAMPLE_LATENTS = 16


class Preview:
    """Decodes with a tiny autoencoder where there is one; else colours are a linear function of
    the latents at one place.

    The latter is crude, but true of every KL autoencoder, and costs nothing. The function is
    fitted by least squares to a few made-up pictures when the first preview is wanted.

    codec: of the model. decoder: one that knows the same latents, much smaller.
    """

    def __init__(self, codec: LatentCodec, decoder: TinyCodec | None = None) -> None:
        self._codec = codec
        self._decoder = decoder
        self._colours: Tensor | None = None

    @property
    def ready(self) -> bool:
        """Whether the model's autoencoder is needed no more."""
        return self._decoder is not None or self._colours is not None

    def jpeg(self, latents: Tensor, share: tuple[float, float]) -> bytes:
        """A JPEG of scaled latents, [1, C, h, w].

        share: of the width and the height that are picture; the rest is padding.
        """
        if self._decoder is not None:
            return _jpeg(self._decoder.decode(latents)[0], share, 1)
        return _jpeg(self._linear(latents), share, self._codec.factor)

    def _linear(self, latents: Tensor) -> Pixels:
        """One pixel for each place."""
        if self._colours is None:
            self._colours = self._fit()
        values = latents[0].float().cpu().flatten(1).T
        rgb = (values @ self._colours[:-1] + self._colours[-1]).clamp(0, 1)
        height, width = latents.shape[2:]
        return (rgb.reshape(height, width, 3) * 255).round().to(torch.uint8).numpy()

    def _fit(self) -> Tensor:
        """[C + 1, 3]: colours of each channel, then the constant."""
        factor, seen, wanted = self._codec.factor, [], []
        for pixels in _made_up(_SAMPLE_LATENTS * factor):
            latents = self._codec.scale(self._codec.encode([pixels])[0].mean)
            seen.append(latents[0].float().cpu().flatten(1).T)
            image = torch.from_numpy(pixels).float().permute(2, 0, 1)[None] / 255
            small = torch.nn.functional.avg_pool2d(image, factor)
            wanted.append(small[0].flatten(1).T)
        inputs = torch.cat(seen).double()
        inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
        # A touch of ridge, as channels may be unused. (torch 2.13's lstsq gives wrong solutions
        # for such inputs now and then.)
        square = inputs.T @ inputs + _RIDGE * torch.eye(inputs.shape[1], dtype=torch.float64)
        return torch.linalg.solve(square, inputs.T @ torch.cat(wanted).double()).float()


def _jpeg(pixels: Pixels, share: tuple[float, float], factor: int) -> bytes:
    """factor: how many times as large it may become."""
    picture = Image.fromarray(pixels)
    width = max(1, round(picture.width * share[0]))
    height = max(1, round(picture.height * share[1]))
    scale = min(factor, MAX_SIDE / min(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = picture.crop((0, 0, width, height)).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _made_up(side: int) -> list[Pixels]:
    """Pictures of soft gradients under hard-edged boxes, in all colours."""
    numbers = np.random.default_rng(0)
    pictures = []
    for _ in range(_SAMPLES):
        corners = numbers.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        soft = Image.fromarray(corners).resize((side, side), Image.Resampling.BILINEAR)
        pixels = np.array(soft)
        for _ in range(12):
            left, top = numbers.integers(0, side, 2)
            width, height = numbers.integers(side // 8, side // 2, 2)
            pixels[top : top + height, left : left + width] = numbers.integers(0, 256, 3)
        pictures.append(pixels)
    return pictures
