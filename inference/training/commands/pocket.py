"""`pocket`: the latent diffusion model."""

import argparse
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from inference.errors import RequestError
from inference.training import pocket, samples, tokens
from inference.training.base_model import SD, find_folder, load_pipeline, reschedule
from inference.training.commands import options, shard_options
from inference.training.loop import Trainer

HELP = "the latent diffusion model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser)
    parser.add_argument("--vae", type=Path, help="the folder that autoencoder made; or --init's")
    shard_options.add_shards(parser, required=True)
    parser.add_argument(
        "--init",
        help="the model to begin with, a catalogue name or a folder, whose text encoder and UNet "
        "are of pocket's kind and which predicts v; default: none",
    )
    parser.add_argument(
        "--freeze-text", action="store_true", help="leave the text encoder as it is"
    )
    parser.add_argument(
        "--export-only",
        action="store_true",
        help="write the model from the last checkpoint and stop",
    )
    parser.add_argument(
        "--pairs", type=float, default=0.65, help="share of examples with a source picture"
    )


def run(args: argparse.Namespace) -> None:
    """Encodes the shards, trains the UNet and the text encoder, and exports `out/model`.

    Raises InferenceError where there is no autoencoder, or --init cannot be used.
    """
    if args.vae is None and args.init is None:
        raise RequestError("Name --vae, the folder that autoencoder made, or --init.")
    if args.freeze_text and args.init is None:
        raise RequestError("--freeze-text needs --init: without it there is no trained encoder.")
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.996)
    unet, text_encoder, tokenizer, vae = _parts(args)
    vae.to(settings.device).eval()
    found = [] if args.export_only else shard_options.shards_from(args, vae)
    task = samples.PocketSheets(
        unet,
        text_encoder,
        tokenizer,
        [latents for _, latents in found],
        device=settings.device,
        pairs=args.pairs,
        freeze_text=args.freeze_text,
    )
    trainer = Trainer(task, settings, task.noising.described)
    if args.resume or args.export_only:
        trainer.resume()
    task.watch(vae, options.test_pictures(), trainer.average)
    if not args.export_only:
        trainer.run()
    samples.export(samples.pipeline(task, vae.cpu(), trainer.average), args.out / "model")


def _parts(args: argparse.Namespace) -> tuple[Any, Any, Any, Any]:
    """UNet, text encoder, tokenizer and autoencoder: untrained ones, or those of --init."""
    if args.init is None:
        tokenizer = tokens.learn(tokens.corpus(20_000, 0))
        parts = pocket.build_unet(), pocket.build_text_encoder(tokenizer), tokenizer
    else:
        base = load_pipeline(find_folder(args.init), SD, torch.float32)
        reschedule(base, pocket.build_scheduler(), fit=not options.goes_on(args))
        parts = base.unet, base.text_encoder, base.tokenizer
    vae = AutoencoderKL.from_pretrained(args.vae) if args.vae else base.vae
    return *parts, vae
