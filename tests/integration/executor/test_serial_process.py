"""A model that runs through its own pipeline, in the engine's process: progress and cancelling."""

import asyncio
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from inference.errors import GenerationCancelled, ModelError, RequestError
from inference.executors.process import ProcessExecutor
from inference.request import Recipe
from inference.result import Progress
from tests import tiny, tiny_pipelines
from tests.integration.executor.asking import ignore


def png(side: int = 64) -> bytes:
    buffer = BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


async def test_progress_cancelling_refusal_and_another_engine_beside_it(tmp_path: Path) -> None:
    tiny_pipelines.instruct_pix2pix(tmp_path / "edit")
    tiny.sd(tmp_path / "sd")
    damaged = tiny_pipelines.instruct_pix2pix(tmp_path / "damaged") / "unet" / "config.json"
    damaged.unlink()
    short = Recipe(prompt="make it night", model="edit", steps=4, strength=1).with_picture(png())
    executor = ProcessExecutor(model="edit", models_folder=tmp_path, device="cpu", threads=1)
    await executor.start()
    try:
        seen: list[Progress] = []
        first = await executor.generate(1, short, seen.append)
        assert executor.capacity == 1
        assert [(progress.step, progress.steps) for progress in seen] == [
            (step, 4) for step in range(1, 5)
        ]
        assert any(progress.preview for progress in seen)
        assert Image.open(BytesIO(first.images[0].data)).size == (64, 64)

        steps: list[int] = []

        def stop(progress: Progress) -> None:
            steps.append(progress.step)
            executor.cancel(2)

        waiting = asyncio.create_task(executor.generate(3, short, ignore))
        with pytest.raises(GenerationCancelled):
            await executor.generate(2, short.change(steps=150, count=4), stop)
        assert steps[-1] < 150
        assert (await waiting).images == first.images

        with pytest.raises(RequestError, match=r"has no strength such as 0\.3"):
            await executor.generate(4, short.change(strength=0.3), ignore)
        with pytest.raises(ModelError, match=r"unet/config\.json is missing"):
            await executor.generate(5, short.change(model="damaged"), ignore)

        other = await executor.generate(6, short.change(model="sd"), ignore)
        assert other.images != first.images
        assert (await executor.generate(7, short, ignore)).images == first.images
    finally:
        await executor.close()
