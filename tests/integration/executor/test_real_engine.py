"""The executor with the real engine and a tiny model, in one process and its replacement."""

import asyncio
import os
import signal
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.errors import ExecutorLost, GenerationCancelled, ModelError
from inference.executors.base import ExecutorState
from inference.executors.process import FAST_ENGINE, STRICT_ENGINE, ProcessExecutor
from inference.request import Recipe
from inference.result import Progress
from tests import tiny
from tests.integration.executor.asking import ignore, until

LONG = 150


def png(side: int = 64) -> bytes:
    buffer = BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


async def test_generate_cancel_lose_and_recover(tmp_path: Path) -> None:
    tiny.sd(tmp_path / "tiny")
    damaged = tiny.sd(tmp_path / "damaged") / "unet" / "diffusion_pytorch_model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    short = Recipe(prompt="a fox", model="tiny", steps=4).with_picture(png())
    long = short.change(steps=LONG, strength=1.0, count=4)
    executor = ProcessExecutor(model="tiny", models_folder=tmp_path, device="cpu", threads=1)
    await executor.start()
    try:
        seen: list[Progress] = []
        first, other = await asyncio.gather(
            executor.generate(1, short, seen.append),
            executor.generate(2, short.change(seed=1), ignore),
        )
        assert seen[-1].step == seen[-1].steps == first.steps_run == 2
        assert Image.open(BytesIO(first.images[0].data)).size == (64, 64)
        assert first.images[0].data != other.images[0].data
        assert first.versions["torch"]
        assert len(first.revision) == 16

        with pytest.raises(GenerationCancelled):
            await executor.generate(3, long, lambda _: executor.cancel(3))

        with pytest.raises(ModelError, match="damaged"):
            await executor.generate(4, short.change(model="damaged"), ignore)

        began = asyncio.Event()
        lost = asyncio.create_task(executor.generate(5, long, lambda _: began.set()))
        await began.wait()
        assert executor.pid is not None
        os.kill(executor.pid, signal.SIGKILL)
        with pytest.raises(ExecutorLost, match="SIGKILL"):
            await lost
        again = await executor.generate(6, short, ignore)
        assert again.images == first.images
        await until(lambda: executor.state is ExecutorState.READY)
    finally:
        await executor.close()


async def test_fast_mode_paints_the_same_picture_if_not_to_the_last_bit(tmp_path: Path) -> None:
    tiny.sd(tmp_path / "tiny")
    request = Recipe(prompt="a fox", model="tiny", steps=4).with_picture(png())
    made = []
    for engine in (STRICT_ENGINE, FAST_ENGINE):
        executor = ProcessExecutor(
            model="tiny", models_folder=tmp_path, device="cpu", threads=1, engine=engine
        )
        await executor.start()
        try:
            result = await executor.generate(1, request, ignore)
        finally:
            await executor.close()
        made.append(np.asarray(Image.open(BytesIO(result.images[0].data)), np.int16))
    assert np.abs(made[0] - made[1]).max() <= 16
