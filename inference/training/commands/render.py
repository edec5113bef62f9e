"""`render`: groups of pictures for the latent models, on disk."""

import argparse

from inference.training.commands import options
from inference.training.data import WORLD, groups
from inference.training.shards import gather, write

HELP = "pictures for pocket and edit, on disk"
SEEDS_APART = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_rendering(parser)
    parser.add_argument(
        "--world", type=float, default=WORLD, help="share of the groups that show the world, 0..1"
    )
    parser.add_argument(
        "--swaps",
        type=float,
        default=0.0,
        help="share of those groups that show one place with three subjects, 0..1",
    )
    parser.add_argument(
        "--first-seed", type=int, default=0, help="where the seeds begin, for a second pile"
    )
    parser.add_argument("sizes", nargs="+", help="WxH:GROUPS, as in 128x128:2600 256x256:700")


def run(args: argparse.Namespace) -> None:
    """Renders every size that was asked for; each size has its own seeds."""
    for i, text in enumerate(args.sizes):
        size, _, count = text.partition(":")
        w, h = (int(v) for v in size.split("x"))
        first = args.first_seed + i * SEEDS_APART
        seeds = range(first, first + int(count))
        made = groups(
            seeds,
            (w, h),
            extra=args.photos,
            processes=args.processes,
            world=args.world,
            swaps=args.swaps,
        )
        write(gather(made, int(count)), args.out)
