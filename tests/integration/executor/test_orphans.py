"""When the bot's process is killed, the engine's does not stay behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.executor.asking import until

BOT = """
import asyncio, sys
from pathlib import Path
from inference.executors.process import ProcessExecutor
from inference.request import Recipe

async def main():
    executor = ProcessExecutor(
        model="model", models_folder=Path(sys.argv[1]), device="cpu",
        engine="tests.fake_engine:load",
    )
    await executor.start()
    request = Recipe(prompt=sys.argv[2], model="model", steps=150, strength=1).with_picture(None)
    tell = lambda progress: print("step", flush=True)
    task = asyncio.create_task(executor.generate(1, request, tell))
    while executor.pid is None:
        await asyncio.sleep(0.01)
    print(executor.pid, flush=True)
    await task

asyncio.run(main())
"""


def running(pid: int) -> bool:
    """Whether it is there and no zombie: nobody reaps here what its parent left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("prompt", ["", "hang"])
async def test_kill_9_of_the_bot(models: Path, prompt: str) -> None:
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BOT, str(models), prompt, stdout=asyncio.subprocess.PIPE
    )
    assert bot.stdout is not None
    engine = int(await bot.stdout.readline())
    await bot.stdout.readline()  # a step is done, the next one begins
    assert running(engine)
    os.kill(bot.pid, signal.SIGKILL)
    await bot.wait()
    await until(lambda: not running(engine), seconds=20)
