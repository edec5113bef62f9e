"""Requests for the executor's tests, and a way to wait for conditions."""

import asyncio
from collections.abc import Callable
from typing import Any

from inference.request import GenerationRequest, Recipe


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (nothing to be woken by: it is another process)
            await asyncio.sleep(0.005)


def ask(prompt: str = "", **changes: Any) -> GenerationRequest:
    values = {"model": "model", "steps": 3, "strength": 1.0} | changes
    return Recipe(prompt=prompt, **values).with_picture(None)


def ignore(_: object) -> None:
    """For whoever does not care about progress."""
