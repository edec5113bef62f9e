"""`pocket`: the latent diffusion model."""

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from inference.training import pocket, samples, tokens
from inference.training.commands import options, shard_options
from inference.training.loop import Trainer

HELP = "the latent diffusion model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser)
    parser.add_argument("--vae", type=Path, required=True, help="the folder that autoencoder made")
    shard_options.add_shards(parser, required=True)
    parser.add_argument("--init", type=Path, help="a checkpoint whose weights to begin with")
    parser.add_argument(
        "--export-only",
        action="store_true",
        help="write the model from the last checkpoint and stop",
    )
    parser.add_argument(
        "--pairs", type=float, default=0.65, help="share of examples with a source picture"
    )


def run(args: argparse.Namespace) -> None:
    """Encodes the shards, trains UNet and text encoder, and exports `out/model`."""
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.996)
    vae = AutoencoderKL.from_pretrained(args.vae).to(settings.device).eval()
    found = [] if args.export_only else shard_options.shards_from(args, vae)
    tokenizer = tokens.learn(tokens.corpus(20_000, 0))
    task = samples.PocketSheets(
        pocket.build_unet(),
        pocket.build_text_encoder(tokenizer),
        tokenizer,
        [latents for _, latents in found],
        device=settings.device,
        pairs=args.pairs,
    )
    trainer = Trainer(task, settings)
    if args.init:
        trainer.start_from(args.init)
    if args.resume or args.export_only:
        trainer.resume()
    task.watch(vae, options.test_pictures(), trainer.average)
    if not args.export_only:
        trainer.run()
    samples.export(samples.pipeline(task, vae.cpu(), trainer.average), args.out / "model")
