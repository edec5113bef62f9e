"""`python -m inference.training NAME …`: trains an embedded model; see docs/training.md."""

import argparse
import sys
from collections.abc import Sequence
from typing import Protocol

from inference.errors import InferenceError
from inference.training.commands import (
    adapter,
    autoencoder,
    classifier,
    composer,
    details,
    edit,
    gan,
    lora,
    pocket,
    quality,
    render,
    words,
)


class Command(Protocol):
    """A module of `inference.training.commands`."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds its options."""

    def run(self, args: argparse.Namespace) -> None:
        """Does it. Raises InferenceError where the owner must act."""


COMMANDS: dict[str, Command] = {
    "autoencoder": autoencoder,
    "render": render,
    "words": words,
    "pocket": pocket,
    "composer": composer,
    "edit": edit,
    "details": details,
    "lora": lora,
    "adapter": adapter,
    "gan": gan,
    "classifier": classifier,
    "quality": quality,
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m inference.training", description=__doc__)
    names = top.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(names.add_parser(name, help=command.HELP))
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. What the owner must act on is said in words, with exit status 1."""
    args = parser().parse_args(argv)
    try:
        COMMANDS[args.command].run(args)
    except InferenceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
