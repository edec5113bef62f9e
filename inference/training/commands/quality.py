"""`quality`: the table that says how good the embedded models are."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from inference.errors import ModelError
from inference.training.classifier import JUDGE, load_judge
from inference.training.commands import options
from inference.training.quality import drawn, prompted, restored, running
from inference.training.quality.bench import Bench
from inference.training.quality.findings import Finding, table
from inference.training.quality.studio import Studio

HELP = "the table that says how good the embedded models are"
PARTS: dict[str, Callable[[Bench], list[Finding]]] = {
    "autoencoder": running.autoencoder,
    "adherence": prompted.adherence,
    "restyled": prompted.restyled,
    "strength": prompted.strength,
    "colourised": restored.colourised,
    "denoised": restored.denoised,
    "enlarged": restored.enlarged,
    "sharpened": restored.sharpened,
    "pictured": drawn.pictured,
    "styled": drawn.styled,
    "filled": restored.filled,
    "game": running.game,
    "speed": running.speed,
}
"""The parts of the table, in its order."""
MODELS = {
    "pocket": "pocket",
    "edit": "pocket-edit",
    "color": "pix2pix-color",
    "sketch": "pix2pix-sketch",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    options.add_output(parser)
    parser.add_argument("--count", type=int, default=48, help="pictures for each line of the table")
    parser.add_argument("--side", type=int, default=256, help="side of the pictures, in pixels")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--judge", type=Path, default=JUDGE, help="the folder classifier made")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="some parts of the table")
    for role, name in MODELS.items():
        parser.add_argument(
            f"--{role}", default=name, help=f"catalogue entry or folder, by default {name}"
        )


def run(args: argparse.Namespace) -> None:
    """Writes `table.md`, `findings.json` and contact sheets, and prints the table."""
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        judge = load_judge(args.judge)
    except ModelError as error:
        print(error)
        judge = None
    bench = Bench(
        studio=Studio({role: getattr(args, role) for role in MODELS}, args.device, args.side),
        judge=judge,
        photos=list(options.test_pictures((args.side, args.side))),
        count=args.count,
        side=args.side,
        out=args.out,
    )
    findings: list[Finding] = []
    for name in args.only or PARTS:
        began = time.monotonic()
        findings += PARTS[name](bench)
        (args.out / "table.md").write_text(table(findings), "utf-8")
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    found = [asdict(one) for one in findings]
    (args.out / "findings.json").write_text(
        json.dumps(found, indent=2, ensure_ascii=False), "utf-8"
    )
    print(table(findings))
