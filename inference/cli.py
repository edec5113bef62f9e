"""The command line's arguments: `python -m inference generate` and `batch`."""

import argparse
from pathlib import Path
from typing import NoReturn

from inference.cli_request import COMMANDS, TASK_FIELDS, kind_of


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, and exits with status 2."""

    def error(self, message: str) -> NoReturn:  # noqa: D102
        self.exit(2, f"{self.prog}: {message}.\n")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The arguments, `command` among them. Exits with status 2 and one sentence on bad usage."""
    parser = Parser(prog="python -m inference")
    commands = parser.add_subparsers(dest="command", required=True)

    generate = commands.add_parser("generate", help="run one request")
    generate.add_argument("task", metavar="TASK", help=f"one of: {', '.join(COMMANDS)}")
    generate.add_argument("--image", type=Path, metavar="P", help="the source picture")
    generate.add_argument(
        "--second", type=Path, metavar="P", help="a mask, a style, or another picture to blend in"
    )
    generate.add_argument("--prompt", metavar="S")
    generate.add_argument("--negative-prompt", default="", metavar="S")
    generate.add_argument("--strength", type=float, metavar="F", help="0 to 1")
    generate.add_argument("--steps", type=int, metavar="N", help="default: what suits the model")
    generate.add_argument("--guidance", type=float, metavar="F", help="default: as for steps")
    generate.add_argument("--seed", type=int, metavar="N", help="default: a new one")
    generate.add_argument("--count", type=int, metavar="N")
    generate.add_argument("--size", metavar="WxH", help="multiples of 8")
    generate.add_argument("--scheduler", metavar="NAME", help="default: the model's own")
    generate.add_argument(
        "--lora", action="append", dest="loras", metavar="NAME_OR_PATH[:WEIGHT]", help="up to 5"
    )
    generate.add_argument(
        "--match-colours", action="store_true", default=None, help="as the source has them"
    )
    _add_task_options(generate)
    generate.add_argument(
        "--json", action="store_true", help="print one JSON object per picture and nothing else"
    )
    _add_model(generate)

    batch = commands.add_parser("batch", help="run a file of requests together")
    batch.add_argument("jobs", type=Path, metavar="JOBS.jsonl")
    batch.add_argument(
        "--fast",
        action="store_true",
        help="larger batches, and bfloat16 where the device has it (docs/performance.md)",
    )
    batch.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="with --fast: compile in the background; default: on a GPU",
    )
    _add_model(batch)
    parsed = parser.parse_args(arguments)
    if parsed.command == "batch" and parsed.compile and not parsed.fast:
        batch.error("--compile needs --fast")
    return parsed


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what only some tasks take; see docs/tasks.md")
    for name, field in TASK_FIELDS.items():
        flag, kind = f"--{name.replace('_', '-')}", kind_of(field)
        if kind is bool:
            group.add_argument(flag, action="store_true", default=None)
        else:
            group.add_argument(flag, type=kind, metavar=kind.__name__[0].upper())


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="ID_OR_DIR", help="default: pocket, or what was made for the task"
    )
    parser.add_argument(
        "--vae", type=Path, metavar="DIR", help="an autoencoder to use instead of the model's own"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
