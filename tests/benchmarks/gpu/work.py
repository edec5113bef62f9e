"""How much arithmetic a picture takes, and how much the device can do."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.engine.traces import Mix
from tests.benchmarks.gpu.folders import autoencoder
from tests.benchmarks.gpu.kinds import Kind

TERA = 1e12


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """TFLOP, a multiplication and an addition counted as two. row: of a forward pass."""

    row: float
    encode: float
    decode: float

    def picture(self, mix: Mix) -> float:
        """Of one job of a mix whose jobs are all of one kind; the text encoders are left out."""
        rows = 2 if mix.guidances[0] > 1 else 1
        steps = max(1, int(mix.steps[0] * mix.strengths[0]))
        return self.encode + steps * rows * self.row + self.decode


@torch.no_grad()
def count(kind: Kind) -> Work:
    """Counted by torch on shapes alone, without weights or arithmetic."""
    side = kind.mix.sizes[0][0]
    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**kind.unet), autoencoder(kind)
        latents = torch.empty(1, kind.unet["in_channels"], side // 8, side // 8)
        tokens = torch.empty(1, 77, kind.unet["cross_attention_dim"])
        extra = None
        if kind.xl:
            pooled = kind.texts[1]["projection_dim"]
            extra = {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, 6)}
        times = torch.empty(1)
        return Work(
            row=_flops(unet, latents, times, tokens, added_cond_kwargs=extra),
            encode=_flops(vae.encode, torch.empty(1, 3, side, side)),
            decode=_flops(vae.decode, latents),
        )


def _flops(call: Any, *inputs: torch.Tensor, **options: Any) -> float:
    with FlopCounterMode(display=False) as counter:
        call(*inputs, **options)
    return int(counter.get_total_flops()) / TERA


def matrix_rate(device: torch.device, side: int) -> float:
    """TFLOP/s of a bf16 product of two square matrices of noise: the median of ten."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in "ab")

    def seconds() -> float:
        _wait(device)
        begun = time.perf_counter()
        left @ right
        _wait(device)
        return time.perf_counter() - begun

    for _ in range(3):
        seconds()
    return 2 * side**3 / statistics.median(seconds() for _ in range(10)) / TERA


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
