"""`gan`: a pix2pix model, generator against discriminator."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from inference.errors import RequestError
from inference.families.pix2pix import Generator, Pix2PixConfig, load_generator, save_generator
from inference.training.adversary import Discriminator
from inference.training.base_model import find_folder
from inference.training.commands import options
from inference.training.data import Pixels
from inference.training.gan import GAME, GanTask, GanTrainer
from inference.training.gan_data import FolderPairs, GreyPairs, PairSource
from inference.training.pairs import PairsError, check
from inference.training.photographs import Photograph, photographs
from inference.training.scenes import Scenery, pile
from inference.training.sketch_pairs import FILTERS, sketch, sketch_pairs
from inference.training.spoiling import grey

HELP = "a conditional GAN (pix2pix) on pairs of pictures"
TASKS = ("colorize", "sketch")
TITLES = {"colorize": "pix2pix: colour", "sketch": "pix2pix: sketch to picture"}
SIDE = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    options.add_rendering(parser)
    options.add_loop(parser, steps=4000, learning_rate=4e-4)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", choices=TASKS, help="learn one of the world's own tasks")
    what.add_argument(
        "--pairs", type=Path, help="a folder of your own: input/NAME.png, output/NAME.png"
    )
    parser.add_argument(
        "--init",
        help="the pix2pix model to begin with, a catalogue name or a folder; its opponent begins "
        "anew; default: none",
    )
    parser.add_argument(
        "--batch",
        type=int,
        help="pairs a step, 128 × 128 pixels each, by default 8; of --task sketch 256 × 256, 3",
    )
    parser.add_argument(
        "--scenes", type=int, default=6000, help="how many of the world's scenes to render"
    )
    parser.add_argument(
        "--likeness", type=float, default=50.0, help="weight of the error beside the game"
    )
    parser.add_argument(
        "--pace", type=float, default=0.5, help="the discriminator's share of the learning rate"
    )
    parser.add_argument("--title", help="what members read in the list of models")
    parser.add_argument(
        "--export-only",
        action="store_true",
        help="write the model from the last checkpoint and stop",
    )


def run(args: argparse.Namespace) -> None:
    """Prepares the pairs, trains, and exports `out/model`.

    Raises InferenceError for pairs or a model that cannot be used, before anything is trained.
    """
    options.check_at_least("--scenes", args.scenes, 3)
    if args.batch is not None:
        options.check_at_least("--batch", args.batch, 1)
    torch.manual_seed(args.seed)
    settings = options.settings_from(args, 0.995)
    generator = _generator(args)
    pairs = _own(args.pairs) if args.pairs else _world(args)
    task = GanTask(
        generator,
        Discriminator(),
        pairs,
        batch=args.batch or (3 if args.task == "sketch" else 8),
        likeness=args.likeness,
        pace=args.pace,
        device=settings.device,
        watch=_watched(args.task),
    )
    learned = f"--task {args.task}" if args.task else "--pairs"
    levels = ", ".join(map(str, generator.config.channels))
    trainer = GanTrainer(task, settings, f"gan {learned} with levels of {levels}")
    if args.resume or args.export_only:
        trainer.resume()
    if not args.export_only:
        trainer.run()
    task.sample(args.out, trainer.step)
    folder = args.out / "model"
    save_generator(task.averaged(), folder, args.title or _title(args))
    record = {"steps": trainer.step, **task.contest()}
    (folder / GAME).write_text(json.dumps(record, indent=2) + "\n", "utf-8")


def _generator(args: argparse.Namespace) -> Generator:
    """An untrained one, or that of --init. Raises RequestError for one of another task."""
    fresh = Generator(_config(args.task))
    if args.init is None:
        return fresh
    found = load_generator(find_folder(args.init), torch.device("cpu"))
    if args.task and replace(found.config, channels=fresh.config.channels) != fresh.config:
        raise RequestError(
            f"{args.init} was made for “{found.config.task}” and does not see and draw what "
            f"--task {args.task} does; name another --init, or none."
        )
    return found.train().requires_grad_(True)


def _config(task: str | None) -> Pix2PixConfig:
    if task == "colorize":
        # It looks at what it was trained on: a whole scene of this side. Colour needs no more.
        return Pix2PixConfig(
            task=task,
            luma_in=True,
            chroma_out=True,
            channels=(16, 32, 64, 128, 192),
            sample_size=SIDE,
            output_size=512,
        )
    return Pix2PixConfig(task=task or "pairs")


def _title(args: argparse.Namespace) -> str:
    return TITLES[args.task] if args.task else f"pix2pix: {args.pairs.absolute().name}"


def _own(folder: Path) -> PairSource:
    """Raises PairsError with everything that is wrong with the folder."""
    checked = check(folder, (SIDE, SIDE), instruction="")
    if len(checked) < 2:
        raise PairsError(folder, ["There is one pair; one more is needed to look at meanwhile."])
    return FolderPairs(checked, side=SIDE)


def _world(args: argparse.Namespace) -> PairSource:
    found = photographs(Path(args.photos) if args.photos else None)
    if args.task == "colorize":
        return _grey(args, found)
    return sketch_pairs(args.out, args.scenes, found, args.processes)


def _grey(args: argparse.Namespace, photos: list[Photograph]) -> GreyPairs:
    """A third of the scenes is rendered at twice the side, for crops and for other textures."""
    small = args.scenes - args.scenes // 3
    piles = [
        pile(args.out, range(small), SIDE, args.processes),
        pile(args.out, range(small, args.scenes), 2 * SIDE, args.processes),
    ]
    return GreyPairs(Scenery(piles, photos), side=SIDE)


def _watched(task: str | None) -> list[tuple[str, Pixels]]:
    """The held-out photographs as the model gets them, for the sheets."""
    photos = options.test_pictures()
    if task is None or not len(photos):
        return []
    if task == "colorize":
        return [("photos", np.stack([grey(one) for one in photos]))]
    rng = np.random.default_rng(0)
    drawn = [sketch(one, kind, rng) for one in photos for kind in FILTERS]
    return [("photos", np.stack(drawn))]
