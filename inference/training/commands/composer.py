"""`composer`: what makes of words the small picture that a model paints over."""

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from inference.errors import RequestError
from inference.families.composer import (
    FACTOR,
    MAX_AREA,
    ComposerConfig,
    ComposerNet,
    read_composer,
    save_composer,
)
from inference.training.base_model import SD, find_folder, fingerprint, load_pipeline
from inference.training.commands import options, shard_options
from inference.training.composer import ComposerSheets
from inference.training.loop import Trainer

HELP = "what makes of words the small picture that a model paints over"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser, steps=20_000, learning_rate=1.5e-3)
    parser.add_argument(
        "--model", default="pocket", help="whose it will be: a catalogue name or a folder"
    )
    parser.add_argument(
        "--init", type=Path, help="the composer to begin with, a folder; default: none"
    )
    shard_options.add_shards(parser, required=True)
    options.add_autocast(parser)


def run(args: argparse.Namespace) -> None:
    """Encodes the shards, trains, and exports `out/composer`, to be laid into the model's folder.

    Raises InferenceError for a model, a composer or shards that cannot be used.
    """
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.999)
    folder = find_folder(args.model)
    pipe = load_pipeline(folder, SD, torch.float32)
    vae = pipe.vae.to(settings.device).eval()
    net = _begun(args.init, pipe) if args.init else None
    found = [latents for _, latents in shard_options.shards_from(args, vae)]
    sides = [latents.values.shape[2:] for latents in found]
    for height, width in sides:
        if height % FACTOR or width % FACTOR:
            raise RequestError(
                f"A shard's latents have {width}×{height} pixels; a composer's sides are multiples "
                f"of {FACTOR}."
            )
        if height * width > MAX_AREA:
            raise RequestError(
                f"A shard's latents have {width}×{height} pixels; a composer's have at most "
                f"{MAX_AREA}."
            )
    net = net or ComposerNet(replace(_config(pipe), area=math.prod(sides[0])))
    task = ComposerSheets(
        net,
        pipe.text_encoder,
        pipe.tokenizer,
        found,
        device=settings.device,
        autocast=args.autocast == "bf16",
    )
    trainer = Trainer(task, settings, f"{args.model} ({fingerprint(folder)}), {net.config}")
    if args.resume:
        trainer.resume()
    task.watch(vae, trainer.average)
    trainer.run()
    net.load_state_dict(trainer.average["composer"])
    save_composer(net, args.out / "composer")


def _config(pipe: Any) -> ComposerConfig:
    """Of one for the model's latents and words."""
    return ComposerConfig(
        latent_channels=pipe.vae.config.latent_channels,
        text_width=pipe.text_encoder.config.hidden_size,
    )


def _begun(folder: Path, pipe: Any) -> ComposerNet:
    """The one of a folder. Raises RequestError for another model's, ModelError for none."""
    net, wanted = read_composer(folder), _config(pipe)
    found = net.config
    if (found.latent_channels, found.text_width) != (wanted.latent_channels, wanted.text_width):
        raise RequestError(
            f"{folder} is for {found.latent_channels} latent channels and words of width "
            f"{found.text_width}; the model has {wanted.latent_channels} and {wanted.text_width}."
        )
    return net
