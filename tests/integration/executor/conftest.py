"""An executor over the fake engine."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from inference.executors.base import ExecutorState
from inference.executors.process import ProcessExecutor
from inference.executors.vigil import Timing
from tests.integration.executor.asking import until

FAST = Timing(heartbeat=0.05, silence=20, stall=2, grace=3, backoff=0.05, longest_backoff=0.2)

Start = Callable[..., Awaitable[ProcessExecutor]]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("model", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_index.json").write_text('{"_class_name": "X"}')
    return tmp_path


@pytest.fixture
async def start(models: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def begin(*, ready: bool = True, **changes: Any) -> ProcessExecutor:
            values: dict[str, Any] = {
                "model": "model",
                "models_folder": models,
                "device": "cpu",
                "engine": "tests.fake_engine:load",
                "timing": FAST,
            }
            executor = ProcessExecutor(**(values | changes))
            stack.push_async_callback(executor.close)
            await executor.start()
            if ready:
                await until(lambda: executor.state is ExecutorState.READY)
            return executor

        yield begin
