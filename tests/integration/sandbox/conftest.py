from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image
from sandbox_toy import toy_bot

from bot.sandbox.server import Sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as served, toy_bot(served):
        await served.wait_ready()
        yield served


@pytest.fixture(scope="session")
def png() -> bytes:
    buffer = io.BytesIO()
    Image.effect_mandelbrot((96, 64), (-2, -1, 1, 1), 60).save(buffer, "PNG")
    return buffer.getvalue()
