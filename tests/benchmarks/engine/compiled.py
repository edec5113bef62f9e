"""Arm (b): the pipeline compiled, and whether that helps."""

import os
import shutil
import statistics
import time
from importlib.util import find_spec
from typing import Any

import torch

from tests.benchmarks.engine.traces import Size

TRIES = 7
WORTH = 1.02
"""Compiled must be this much faster, or it is not worth the minutes that compiling takes."""


def compiler_missing(device: torch.device) -> str | None:
    """Why nothing can be compiled for this device, or None."""
    if device.type == "cpu":
        names = [os.environ.get("CXX"), "g++", "clang++"]
        found = any(name and shutil.which(name) for name in names)
        return None if found else "there is no C++ compiler here"
    return None if find_spec("triton") else "there is no Triton here"


def compile_pipeline(pipe: Any, *, any_shape: bool) -> None:
    """The UNet and the decoder, in place; compiling happens at their first calls.

    any_shape: one code for every shape at once, as batches of changing size want it. Otherwise
        the first shape gets code of its own and the later ones share; on a GPU the calls are then
        CUDA graphs, as diffusers' documentation advises.
    """
    # At the default limit further shapes would silently run as they are.
    torch._dynamo.config.recompile_limit = 64
    graphs = not any_shape and pipe.device.type == "cuda"
    options: dict[str, Any] = {
        "mode": "reduce-overhead" if graphs else "default",
        "dynamic": True if any_shape else None,
    }
    pipe.unet = torch.compile(pipe.unet, **options)
    pipe.vae.decode = torch.compile(pipe.vae.decode, **options)


@torch.no_grad()
def gain(pipe: Any, size: Size) -> float:
    """How many times as fast a compiled forward pass of two rows is: the median of turns.

    size: of the picture in pixels.
    """
    eager, compiled = pipe.unet, torch.compile(pipe.unet)
    config = eager.config
    factor = pipe.vae_scale_factor
    rows = {"device": eager.device, "dtype": eager.dtype}
    latents = torch.randn(2, config.in_channels, size[1] // factor, size[0] // factor, **rows)
    tokens = torch.randn(2, 77, config.cross_attention_dim, **rows)
    extra = None
    if config.addition_embed_type is not None:
        wide = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        extra = {
            "text_embeds": torch.randn(2, wide, **rows),
            "time_ids": torch.ones(2, 6, **rows),
        }

    def seconds(unet: Any) -> float:
        begun = time.perf_counter()
        output = unet(
            latents, torch.tensor(500), encoder_hidden_states=tokens, added_cond_kwargs=extra
        ).sample
        output.sum().item()  # waits for the device
        return time.perf_counter() - begun

    for unet in (eager, compiled):
        seconds(unet)
    return statistics.median(seconds(eager) / seconds(compiled) for _ in range(TRIES))
