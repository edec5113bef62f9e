"""`python -m tests.acceptance.screenshot OUT.png`: a finished card, as the sandbox shows it.

With the default model and the photograph of `make run`.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from PIL import Image

from bot.sandbox.modes import PHOTOGRAPH
from bot.sandbox.page import Page
from bot.sandbox.server import Sandbox
from tests.acceptance.page_actions import compose, loaded, offers, send
from tests.acceptance.real_bot import running
from tests.integration.sandbox.sandbox_browser import browse

PROMPT = "a watercolour painting of a cup of coffee"
PAINTING_SECONDS = 180.0
MOST_BYTES = 300_000


async def shoot(out: Path, *, photograph: Path, prompt: str, model: str) -> None:
    """Asks for a picture on the page, and photographs the page when it is done."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            Sandbox() as sandbox,
            running(sandbox, folder / "home", model),
            Page(sandbox) as page,
            browse(page.url, folder / "profile") as tab,
        ):
            await compose(tab, photograph, prompt)
            await send(tab)
            await tab.until(offers("🎲"), PAINTING_SECONDS)
            await loaded(tab, 2)
            await tab.screenshot(folder / "page.png")
            await asyncio.to_thread(save_small, folder / "page.png", out)


def save_small(page: Path, out: Path) -> None:
    """As a PNG of at most MOST_BYTES, with as many colours as fit."""
    with Image.open(page) as picture:
        whole = picture.convert("RGB")
    for colours in (None, 256, 128, 64, 32):
        one = whole if colours is None else whole.quantize(colours)
        one.save(out, "PNG", optimize=True)
        if out.stat().st_size <= MOST_BYTES:
            break


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.screenshot")
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument("--photograph", type=Path, default=PHOTOGRAPH)
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--model", default="pocket")
    options = parser.parse_args()
    shot = shoot(
        options.out, photograph=options.photograph, prompt=options.prompt, model=options.model
    )
    asyncio.run(shot)


if __name__ == "__main__":
    main()
