"""Options of commands that train on a folder of pairs."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from inference.errors import RequestError
from inference.training.commands import options
from inference.training.crops import PairCrops
from inference.training.pairs import Pair, check


def add_pairs(parser: argparse.ArgumentParser, *, required: bool, batch: int) -> None:
    """`--pairs` and what goes with it."""
    parser.add_argument(
        "--pairs",
        type=Path,
        required=required,
        help="a folder with input/NAME.png, output/NAME.png and perhaps instruction.csv",
    )
    parser.add_argument(
        "--instruction", help="what to say of the pairs that instruction.csv does not name"
    )
    parser.add_argument("--size", default="256x256", help="WxH of what is trained on, in pixels")
    parser.add_argument("--batch", type=int, default=batch, help="pairs a step")
    parser.add_argument(
        "--native", action="store_true", help="crop the pictures without scaling them down first"
    )
    parser.add_argument("--no-mirror", action="store_true", help="never mirror a pair")
    parser.add_argument(
        "--held-out",
        type=int,
        default=0,
        help="so many of the last pairs are not trained on but shown in the sheets",
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FoundPairs:
    """Crops to train on, and crops to show."""

    training: PairCrops
    shown: PairCrops


def pairs_from(
    args: argparse.Namespace, multiple: int, *, inputs_needed: bool = True
) -> FoundPairs:
    """The checked pairs that the options name. multiple: of the size's sides, in pixels.

    Raises PairsError, and RequestError where an option is wrong.
    """
    try:
        width, height = (int(part) for part in args.size.split("x"))
    except ValueError:
        raise RequestError(f"--size is {args.size}; it must look like 256x256.") from None
    if min(width, height) < multiple or width % multiple or height % multiple:
        near = "x".join(str(max(multiple, round(v / multiple) * multiple)) for v in (width, height))
        raise RequestError(
            f"--size is {args.size}, but its sides must be multiples of {multiple}; "
            f"the nearest is {near}."
        )
    options.check_at_least("--batch", args.batch, 1)
    size = width, height
    pairs = check(args.pairs, size, instruction=args.instruction, inputs_needed=inputs_needed)
    if not 0 <= args.held_out < len(pairs):
        raise RequestError(
            f"--held-out is {args.held_out}, but there are {len(pairs)} pairs; "
            f"it can be 0 to {len(pairs) - 1}."
        )
    kept = len(pairs) - args.held_out

    def crops(some: tuple[Pair, ...]) -> PairCrops:
        return PairCrops(some, size, native=args.native, mirror=not args.no_mirror)

    return FoundPairs(training=crops(pairs[:kept]), shown=crops(pairs[kept:] or pairs))
