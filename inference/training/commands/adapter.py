"""`adapter`: an image-prompt adapter, so that a picture can name the style."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import CLIPVisionModelWithProjection

from inference.families.quiet import quiet
from inference.training.adapter import (
    add_adapter,
    add_trained_adapter,
    build_image_encoder,
    read_encoder,
)
from inference.training.adapter_sheets import AdapterSheets
from inference.training.base_model import SD, find_folder, load_pipeline
from inference.training.commands import options, shard_options
from inference.training.looking import LookingTask
from inference.training.loop import Trainer
from inference.training.lora import check_model
from inference.training.noising import Noising
from inference.training.shards import Shard

HELP = "an image-prompt adapter: a second picture names the style"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser, steps=6000)
    options.add_autocast(parser)
    parser.add_argument(
        "--model", default="pocket", help="the model to adapt: a catalogue name or a folder"
    )
    shard_options.add_shards(parser, required=True)
    parser.add_argument(
        "--init",
        type=Path,
        help="the folder of the adapter to begin with, such as inference/pocket/ip_adapter; "
        "default: none",
    )
    parser.add_argument(
        "--looking",
        type=int,
        default=3000,
        help="steps of learning to see styles, at first; with --init only the judge learns that",
    )


def run(args: argparse.Namespace) -> None:
    """Trains on rendered groups and writes `out/adapter`.

    Raises InferenceError for a model that cannot be used, before anything is trained.
    """
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.996)
    pipe = load_pipeline(find_folder(args.model), SD, torch.float32)
    check_model(pipe)
    encoder = build_image_encoder() if args.init is None else read_encoder(args.init)
    pipe.vae.to(settings.device)
    shards = shard_options.shards_from(args, pipe.vae)
    looking = _looking(args, encoder, [shard for shard, _ in shards])
    if args.init is None:
        with quiet():
            add_adapter(pipe, looking.encoder)
    else:
        add_trained_adapter(pipe, looking.encoder, args.init)
    noising = Noising(pipe.scheduler.config)
    task = AdapterSheets(
        pipe,
        [shard for shard, _ in shards],
        [latents for _, latents in shards],
        noising,
        looking.judge,
        device=settings.device,
        autocast=args.autocast == "bf16",
    )
    trainer = Trainer(task, settings, noising.described)
    if args.resume:
        trainer.resume()
    task.watch(min(shards[0][0].size), trainer.average)
    trainer.run()
    task.export(args.out / "adapter")
    print(f"{args.out / 'adapter'} is ready for load_ip_adapter.")


def _looking(
    args: argparse.Namespace, encoder: CLIPVisionModelWithProjection, shards: Sequence[Shard]
) -> LookingTask:
    """An image encoder that tells the styles apart; its run lies in `out/looking`."""
    settings = replace(
        options.settings_from(args, 0.0),
        out=args.out / "looking",
        steps=args.looking,
        minutes=0.0,
    )
    task = LookingTask(
        encoder,
        shards,
        device=settings.device,
        autocast=args.autocast == "bf16",
        sees=args.init is not None,
    )
    if args.looking:
        trainer = Trainer(task, settings)
        if args.resume:
            trainer.resume()
        trainer.run()
    return task
