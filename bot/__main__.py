"""``python -m bot``: Discord where there is a token, the sandbox where there is none."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from bot.settings import Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the process's exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.load()
        _log_from(settings.log_level)
        return _run(options, settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _log_from(level: str) -> None:
    """Libraries never log at DEBUG: what they say there holds Discord's tokens.

    Alembic tells of its plug-ins at INFO, and discord.py warns of voice, which is not used.
    """
    number = logging.getLevelNamesMapping()[level]
    logging.basicConfig(
        level=max(number, logging.INFO),
        format="%(asctime)s %(levelname)-7s %(name)s  %(message)s",
    )
    for name in ("bot", "inference"):
        logging.getLogger(name).setLevel(number)
    for name in ("alembic.runtime.plugins", "discord.client"):
        logging.getLogger(name).setLevel(max(number, logging.ERROR))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    # Each mode imports its own half: the bot on Discord does not load the sandbox.
    if options.mode is None and settings.discord_token is not None:
        from bot.compose import serve

        # No child has any business with it, least of all the one that reads strangers' pictures.
        for name in [name for name in os.environ if name.upper() == "DISCORD_TOKEN"]:
            del os.environ[name]
        asyncio.run(serve(settings, settings.discord_token.get_secret_value()))
        return 0
    from bot.sandbox.modes import demo, sandbox

    if options.mode == "demo":
        return asyncio.run(demo(settings, options.out))
    port = getattr(options, "port", None)
    asyncio.run(sandbox(settings, port=port, weather=getattr(options, "weather", None)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="Serves Discord if DISCORD_TOKEN is set, and the sandbox if not.",
    )
    modes = parser.add_subparsers(dest="mode", metavar="MODE")
    sandbox = modes.add_parser("sandbox", help="the bot in a small Discord on this machine")
    sandbox.add_argument("--port", type=int, help="the API's port; the page takes the next one")
    sandbox.add_argument("--weather", metavar="SPEC", help="bad weather, see docs/sandbox.md")
    demo = modes.add_parser("demo", help="the main job, played by scripted members")
    demo.add_argument("--out", type=Path, default=Path("demo"), help="folder for what came out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
