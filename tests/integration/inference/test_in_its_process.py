"""The engine behind the executor, as the bot runs it: in a process of its own."""

import io
from pathlib import Path

from PIL import Image

from inference.executors.process import ProcessExecutor
from inference.request import GenerationRequest
from inference.result import Progress
from tests.integration.inference.conftest import LoadEngine
from tests.integration.inference.traffic import run


async def test_the_process_gives_the_same_bytes_with_progress_and_a_preview(
    models: dict[str, Path], load: LoadEngine, source: bytes
) -> None:
    request = GenerationRequest(
        prompt="a pier", image=source, steps=6, strength=0.5, seed=9, model=str(models["v"])
    )
    seen: list[Progress] = []
    executor = ProcessExecutor(model=str(models["v"]), device="cpu", threads=1)
    await executor.start()
    try:
        result = await executor.generate(1, request, seen.append)
    finally:
        await executor.close()
    assert result.images == run(load("v"), [request])[0].images
    assert result.revision
    assert set(result.versions) == {"torch", "diffusers", "transformers"}
    assert [(progress.step, progress.steps) for progress in seen] == [(1, 3), (2, 3), (3, 3)]
    preview = next(progress.preview for progress in seen if progress.preview is not None)
    assert Image.open(io.BytesIO(preview)).size == (64, 64)
