"""`details`: the network that takes an editor's details from the source."""

import argparse
import zlib
from pathlib import Path

import torch

from inference.errors import RequestError
from inference.families.details import FACTOR, DetailNet, DetailsConfig, read_details, save_details
from inference.model_info import describe
from inference.training.base_model import EDIT, find_folder, fingerprint, load_pipeline
from inference.training.commands import options, pair_options
from inference.training.details import (
    DetailsTask,
    Draw,
    Lessons,
    from_pairs,
    from_shard,
    give_lessons,
    kept,
    vocabulary,
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
    parser.add_argument(
        "--init",
        type=Path,
        help="the details network to begin with, a folder such as an editor's `details`; it keeps "
        "to the words it knows; default: none",
    )
    parser.add_argument("--shard", type=Path, help="the array of one size that render made")
    pair_options.add_pairs(parser, required=False, batch=16)
    parser.add_argument("--lessons", type=int, default=1200, help="pictures for it to paint")
    parser.add_argument("--side", type=int, default=96, help="of the crops trained on, in pixels")


def run(args: argparse.Namespace) -> None:
    """Lets the editor paint, trains, and exports `out/details`, to be laid into its folder.

    Raises InferenceError for an editor, pictures or numbers that cannot be used, before anything is
    painted.
    """
    if (args.pairs is None) == (args.shard is None):
        raise RequestError("Name either --shard, for the world's tasks, or --pairs, for your own.")
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.995)
    folder = find_folder(args.model)
    info = describe(folder)
    if info.vae is not None or info.default_scheduler is not None:
        raise RequestError(
            f"{info.location} names a vae or a scheduler in its palimpsest.json; here the editor "
            "paints with its own, so what would be learned is not what members get."
        )
    draw, size = _exercises(args, info.multiple)
    _check(args, size)
    autocast = args.autocast == "bf16"

    def paint() -> Lessons:
        return give_lessons(
            load_pipeline(folder, EDIT, torch.float32).to(settings.device),
            draw,
            args.lessons,
            seed=args.seed,
            steps=info.default_steps,
            guidance=info.default_guidance,
            autocast=autocast,
        )

    net = read_details(args.init) if args.init else None
    given = f"{args.model} ({fingerprint(folder)}), {args.shard or args.pairs}, "
    given += f"{args.lessons} of seed {args.seed}"
    if args.pairs is not None:
        told = args.instruction or "instruction.csv"
        given += f", {args.size}, “{told}”, native {args.native}, mirrored {not args.no_mirror}"
    lessons = kept(args.out, given, paint)
    net = net or DetailNet(DetailsConfig(words=vocabulary(lessons)))
    words = net.config.words
    task = DetailsTask(
        net,
        lessons,
        side=args.side,
        batch=args.batch,
        device=settings.device,
        autocast=autocast,
    )
    trainer = Trainer(
        task, settings, f"{len(words)} words ({zlib.crc32(' '.join(words).encode()):08x})"
    )
    if args.resume:
        trainer.resume()
    task.watch(trainer.average)
    trainer.run()
    task.net.load_state_dict(trainer.average["details"])
    save_details(task.net, args.out / "details")


def _exercises(args: argparse.Namespace, multiple: int) -> tuple[Draw, tuple[int, int]]:
    """What the editor is asked, and the pictures' (width, height), multiples of `multiple`."""
    if args.pairs is not None:
        crops = pair_options.pairs_from(args, multiple).training
        return from_pairs(crops), crops.size
    try:
        shard = read(args.shard)
    except FileNotFoundError:
        raise RequestError(f"{args.shard} is missing; `render` makes it.") from None
    if shard.size[0] % multiple or shard.size[1] % multiple:
        raise RequestError(
            "The shard's pictures have {}×{} pixels; the editor paints multiples of {}.".format(
                *shard.size, multiple
            )
        )
    return from_shard(shard), shard.size


def _check(args: argparse.Namespace, size: tuple[int, int]) -> None:
    """Raises RequestError that names the nearest number that can be used."""
    most = min(size) // FACTOR * FACTOR
    if args.side % FACTOR or not FACTOR <= args.side <= most:
        near = max(FACTOR, min(most, args.side // FACTOR * FACTOR))
        raise RequestError(
            f"--side is {args.side}; it must be even and at most {most}; the nearest is {near}."
        )
    for name in ("lessons", "batch"):
        options.check_at_least(f"--{name}", getattr(args, name), 1)
    if args.held_out:
        raise RequestError("--held-out does nothing here: the sheets show lessons. Leave it out.")
