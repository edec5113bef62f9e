"""Options that several training commands share, and what is made of them."""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

from inference.errors import RequestError
from inference.training.data import Pixels
from inference.training.loop import LoopSettings, auto_device
from inference.training.photographs import TEST_PICTURES


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--out`."""
    parser.add_argument(
        "--out", type=Path, required=True, help="where everything that is made goes"
    )


def add_rendering(parser: argparse.ArgumentParser) -> None:
    """Options of commands that render pictures."""
    parser.add_argument(
        "--photos", default="", help="a folder laid out like site-packages with more photographs"
    )
    parser.add_argument("--processes", type=int, default=2, help="processes that render")


def add_loop(
    parser: argparse.ArgumentParser, *, steps: int = 20_000, learning_rate: float = 1e-3
) -> None:
    """Options of commands that train, with these defaults."""
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="train for this long instead of --steps"
    )
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint in --out"
    )
    parser.add_argument("--save-every", type=int, default=500)
    parser.add_argument("--sample-every", type=int, default=1000)


def goes_on(args: argparse.Namespace) -> bool:
    """Whether the weights come from a checkpoint, whatever --init has; with --export-only too."""
    return (args.resume or args.export_only) and (args.out / "checkpoint.pt").exists()


def add_autocast(parser: argparse.ArgumentParser) -> None:
    """`--autocast`."""
    parser.add_argument(
        "--autocast",
        choices=("bf16", "off"),
        default="bf16",
        help="calculate in bfloat16 where it does no harm, or in float32 throughout",
    )


def check_at_least(option: str, value: int, least: int) -> None:
    """Raises RequestError that names the option for a smaller value."""
    if value < least:
        raise RequestError(f"{option} is {value}; it must be at least {least}.")


def settings_from(args: argparse.Namespace, ema: float) -> LoopSettings:
    """The loop's settings from the options of `add_output` and `add_loop`."""
    return LoopSettings(
        out=args.out,
        steps=args.steps,
        minutes=args.minutes,
        learning_rate=args.learning_rate,
        seed=args.seed,
        ema=ema,
        save_every=args.save_every,
        sample_every=args.sample_every,
        device=auto_device(args.device),
    )


def test_pictures(size: tuple[int, int] = (256, 256)) -> Pixels:
    """The three held-out photographs, cropped to `size`; empty where scikit-image is missing."""
    spec = importlib.util.find_spec("skimage")
    roots = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    found = []
    for name in TEST_PICTURES:
        for root in roots:
            image = Image.open(root / "data" / f"{name}.png").convert("RGB")
            ratio = max(size[0] / image.width, size[1] / image.height)
            w, h = size[0] / ratio, size[1] / ratio
            x, y = (image.width - w) / 2, (image.height - h) / 2
            part = image.resize(size, Image.Resampling.LANCZOS, box=(x, y, x + w, y + h))
            found.append(np.asarray(part))
    return np.stack(found) if found else np.zeros((0, *size[::-1], 3), np.uint8)
