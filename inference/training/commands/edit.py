"""`edit`: a model that is shown a picture and told what to make of it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inference.errors import RequestError
from inference.model_info import title_of
from inference.training.base_model import (
    EDIT,
    SD,
    find_folder,
    load_pipeline,
    load_scheduler,
    reschedule,
)
from inference.training.commands import options, pair_options, shard_options
from inference.training.edit import narrowed, widen
from inference.training.edit_sheets import EditSheets, Shown, pair_rows, world_rows
from inference.training.edits import DrawnEdits, EditExamples, MixedEdits, PairEdits, WorldEdits
from inference.training.loop import Trainer
from inference.training.noising import Noising
from inference.training.photographs import photographs
from inference.training.sketch_pairs import SIDE, sketch_pairs

HELP = "a model that edits a picture as it is told, from the world or from your own pairs"

DRAWINGS = 0.15
"""Share of the batches that are drawings by a pen, a child, in lines, pencil or ink, beside those
that the world's own tasks have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser, steps=8000, learning_rate=3e-4)
    options.add_autocast(parser)
    parser.add_argument(
        "--init", default="pocket", help="the model to begin with: a catalogue name or a folder"
    )
    parser.add_argument(
        "--schedule",
        help="the model whose noise schedule --init's UNet goes over to: a catalogue name or a "
        "folder; default: it keeps its own",
    )
    parser.add_argument(
        "--channels",
        type=int,
        nargs="+",
        help="narrow the model's UNet to these channels, one number for each level: the fewer, the "
        "smaller and quicker, and the more there is to learn",
    )
    shard_options.add_shards(parser, required=False)
    options.add_rendering(parser)
    parser.add_argument(
        "--drawings",
        type=int,
        default=3000,
        help="with --shards: how many scenes to draw besides, as members do; 0 for none",
    )
    pair_options.add_pairs(parser, required=False, batch=16)
    parser.add_argument(
        "--freeze-text", action="store_true", help="leave the text encoder as it is"
    )
    parser.add_argument("--title", help="what members read; default: the name of --out")
    parser.add_argument(
        "--export-only",
        action="store_true",
        help="write the model from the last checkpoint and stop",
    )


def run(args: argparse.Namespace) -> None:
    """Trains on rendered groups or on pairs, and exports `out/model`.

    Raises InferenceError for pairs or a model that cannot be used, before anything is trained.
    """
    if (args.pairs is None) == (args.shards is None):
        raise RequestError("Name either --shards, for the world's tasks, or --pairs, for your own.")
    if args.shards is not None and not args.batches:
        raise RequestError("--shards needs --batches, such as 128x128:32:1.")
    options.check_at_least("--drawings", args.drawings, 0)
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.996)
    base = load_pipeline(find_folder(args.init), SD | EDIT, torch.float32)
    if args.schedule:
        other = load_scheduler(find_folder(args.schedule))
        reschedule(base, other, fit=not options.goes_on(args))
    if args.channels:
        base.unet = narrowed(base.unet, args.channels)
    examples, rows = _examples(args, base, settings.device)
    noising = Noising(base.scheduler.config)
    task = EditSheets(
        widen(base.unet),
        base.text_encoder,
        base.tokenizer,
        examples,
        noising,
        device=settings.device,
        freeze_text=args.freeze_text,
        autocast=args.autocast == "bf16",
    )
    trainer = Trainer(task, settings, noising.described)
    if args.resume or args.export_only:
        trainer.resume()
    task.watch(base, rows, trainer.average)
    if not args.export_only:
        trainer.run()
    task.export(args.out / "model", args.title or title_of(args.out.absolute().name))


def _examples(
    args: argparse.Namespace, base: Any, device: str
) -> tuple[EditExamples, Sequence[Shown]]:
    """What is trained on, and what the sheets show."""
    autocast = args.autocast == "bf16"
    if args.pairs is not None:
        found = pair_options.pairs_from(args, base.vae_scale_factor)
        base.vae.to(device)
        examples = PairEdits(found.training, base.vae, batch=args.batch, autocast=autocast)
        return examples, pair_rows(found.shown)
    base.vae.to(device)
    shards = shard_options.shards_from(args, base.vae)
    latents = [one for _, one in shards]
    world = WorldEdits([s for s, _ in shards], latents, base.vae, autocast=autocast)
    rows = world_rows(shards[0][0].size)
    if not args.drawings or args.export_only:
        return world, rows
    photos = photographs(Path(args.photos) if args.photos else None)
    pairs = sketch_pairs(args.out, args.drawings, photos, args.processes)
    places = min(one.batch * one.values[0, 0].numel() for one in latents)
    batch = max(1, places * base.vae_scale_factor**2 // SIDE**2)
    drawn = DrawnEdits(pairs, base.vae, batch=batch, autocast=autocast)
    return MixedEdits([(world, 1 - DRAWINGS), (drawn, DRAWINGS)]), rows
