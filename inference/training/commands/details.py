"""`details`: the network that takes an editor's details from the source."""

import argparse
from functools import partial
from pathlib import Path

import torch

from inference.errors import RequestError
from inference.families.details import DetailNet, save_details
from inference.model_info import describe
from inference.training.base_model import EDIT, find_folder, load_pipeline
from inference.training.commands import options, pair_options
from inference.training.details import (
    DetailsTask,
    from_pairs,
    from_shard,
    give_lessons,
    kept,
)
from inference.training.loop import Trainer
from inference.training.shards import read

HELP = "the network that takes the details of edited pictures from their sources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_loop(parser, steps=4000, learning_rate=2e-3)
    options.add_autocast(parser)
    parser.add_argument(
        "--model", default="pocket-edit", help="the editor: a catalogue name or a folder"
    )
    parser.add_argument("--shard", type=Path, help="the array of one size that render made")
    pair_options.add_pairs(parser, required=False, batch=16)
    parser.add_argument("--lessons", type=int, default=1200, help="pictures for it to paint")
    parser.add_argument("--side", type=int, default=96, help="of the crops trained on, in pixels")


def run(args: argparse.Namespace) -> None:
    """Lets the editor paint, trains, and exports `out/details`, to be laid into its folder.

    Raises InferenceError for an editor or pairs that cannot be used.
    """
    if (args.pairs is None) == (args.shard is None):
        raise RequestError("Name either --shard, for the world's tasks, or --pairs, for your own.")
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.995)
    folder = find_folder(args.model)
    info = describe(folder)
    pipe = load_pipeline(folder, EDIT, torch.float32)
    if args.pairs is None:
        draw = from_shard(read(args.shard))
    else:
        draw = from_pairs(pair_options.pairs_from(args, pipe.vae_scale_factor).training)
    paint = partial(
        give_lessons,
        pipe.to(settings.device),
        draw,
        args.lessons,
        seed=args.seed,
        steps=info.default_steps,
        guidance=info.default_guidance,
    )
    task = DetailsTask(
        DetailNet(),
        kept(args.out, paint),
        side=args.side,
        batch=args.batch,
        device=settings.device,
        autocast=args.autocast == "bf16",
    )
    trainer = Trainer(task, settings)
    if args.resume:
        trainer.resume()
    trainer.run()
    task.net.load_state_dict(trainer.average["details"])
    save_details(task.net, args.out / "details")
