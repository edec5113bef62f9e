"""`render`: groups of pictures for the latent models, on disk."""

import argparse
from functools import partial

from inference.errors import RequestError
from inference.training.commands import options
from inference.training.data import WORLD, composition, group, groups
from inference.training.shards import gather, write

HELP = "pictures for pocket, edit and composer, on disk"
SEEDS_APART = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_rendering(parser)
    parser.add_argument(
        "--world", type=float, default=WORLD, help="share of the groups that show the world, 0..1"
    )
    parser.add_argument(
        "--compositions",
        action="store_true",
        help="single photographs of one thing, large and near the middle, for composer",
    )
    parser.add_argument(
        "--first-seed", type=int, default=0, help="where the seeds begin, for a second pile"
    )
    parser.add_argument("sizes", nargs="+", help="WxH:GROUPS, as in 128x128:2600 256x256:700")


def run(args: argparse.Namespace) -> None:
    """Renders every size that was asked for; each size has its own seeds.

    Raises RequestError for options that contradict each other.
    """
    if args.compositions and (args.photos or args.world != WORLD):
        raise RequestError("--compositions show the world alone; leave out --photos and --world.")
    for i, text in enumerate(args.sizes):
        size, _, count = text.partition(":")
        w, h = (int(v) for v in size.split("x"))
        first = args.first_seed + i * SEEDS_APART
        seeds = range(first, first + int(count))
        make = partial(group, size=(w, h), extra=args.photos, world=args.world)
        if args.compositions:
            make = partial(composition, size=(w, h))
        made = groups(make, seeds, args.processes)
        write(gather(made, int(count)), args.out)
