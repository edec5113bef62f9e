"""The executor and a real process with an engine that needs no model."""

import asyncio
import logging
import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest

from inference.errors import (
    EngineFault,
    ExecutorLost,
    GenerationCancelled,
    ModelError,
    OutOfMemory,
    RequestError,
)
from inference.executors.base import Executor, ExecutorState
from inference.executors.process import ProcessExecutor
from inference.executors.vigil import Timing
from inference.request import Recipe
from inference.result import Progress
from tests.integration.executor.asking import ask, ignore, until
from tests.integration.executor.conftest import Start


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_progress_and_result_arrive_in_order(start: Start) -> None:
    executor: Executor = await start()
    seen: list[Progress] = []
    result = await executor.generate(7, ask(seed=5), seen.append)
    assert [(p.step, p.steps) for p in seen] == [(1, 3), (2, 3), (3, 3)]
    assert result.images[0].seed == 5
    assert result.model == "model"


async def test_megabytes_pass_both_ways(start: Start) -> None:
    executor = await start()
    source = bytes(3_000_000)
    request = Recipe(prompt="", model="model", steps=2).with_picture(source)
    result = await executor.generate(1, request, ignore)
    assert result.images[0].data == source


async def test_a_request_made_before_the_model_is_there_waits(start: Start) -> None:
    executor = await start(ready=False)
    assert executor.state is ExecutorState.STARTING
    result = await executor.generate(1, ask(), ignore)
    assert result.steps_run == 3
    assert executor.state is ExecutorState.READY
    assert executor.problem is None


async def test_several_run_together(start: Start) -> None:
    executor = await start()
    order: list[tuple[int, int]] = []
    await asyncio.gather(
        *(
            executor.generate(n, ask(steps=20), lambda p, n=n: order.append((n, p.step)))
            for n in (1, 2, 3)
        )
    )
    assert order.index((3, 1)) < order.index((1, 20))


async def test_another_model_runs_when_the_first_is_idle(start: Start) -> None:
    executor = await start()
    results = await asyncio.gather(
        executor.generate(1, ask(steps=5), ignore),
        executor.generate(2, ask(model="other"), ignore),
    )
    assert [result.model for result in results] == ["model", "other"]


@pytest.mark.parametrize(
    ("prompt", "kind", "text"),
    [
        ("refuse", RequestError, "Not this one."),
        ("memory", OutOfMemory, "memory ran out"),
        ("fault", EngineFault, "ZeroDivisionError: in the middle"),
    ],
)
async def test_what_strikes_one_job_leaves_the_other_and_the_process(
    start: Start, prompt: str, kind: type[Exception], text: str
) -> None:
    executor = await start()
    pid = executor.pid
    other = asyncio.create_task(executor.generate(1, ask(steps=10), ignore))
    with pytest.raises(kind, match=text):
        await executor.generate(2, ask(prompt), ignore)
    await other
    assert executor.pid == pid


async def test_cancel_stops_one_between_two_steps(start: Start) -> None:
    executor = await start()
    other = asyncio.create_task(executor.generate(2, ask(steps=20), ignore))
    seen: list[Progress] = []

    def stop(progress: Progress) -> None:
        seen.append(progress)
        executor.cancel(1)

    with pytest.raises(GenerationCancelled):
        await executor.generate(1, ask(steps=150), stop)
    assert len(seen) < 50
    assert (await other).steps_run == 20
    executor.cancel(1)  # unknown by now


async def test_cancel_before_the_process_is_there(start: Start) -> None:
    executor = await start(ready=False)
    task = asyncio.create_task(executor.generate(1, ask(), ignore))
    await asyncio.sleep(0)
    executor.cancel(1)
    with pytest.raises(GenerationCancelled):
        await task


async def test_a_cancelled_task_cancels_its_job_which_may_run_again_at_once(start: Start) -> None:
    executor = await start()
    began = asyncio.Event()
    task = asyncio.create_task(executor.generate(1, ask(steps=150), lambda _: began.set()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The same id; and another model, which must wait until nothing is left of the first.
    assert (await executor.generate(1, ask(model="other", steps=2), ignore)).steps_run == 2


async def test_a_callback_that_raises_is_not_the_executor_s_trouble(start: Start) -> None:
    executor = await start()
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def fail(_: Progress) -> None:
        raise LookupError

    assert (await executor.generate(1, ask(steps=2), fail)).steps_run == 2
    assert len(reported) == 2


async def kill(executor: ProcessExecutor) -> None:
    assert executor.pid is not None
    os.kill(executor.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("prompt", "kind", "text"),
    [
        ("crash", ExecutorLost, "it ended with status 3"),
        ("hang", ExecutorLost, "it was stuck in one step for 2 s"),
        ("all memory", OutOfMemory, "MemoryError: everything"),
        ("all fault", ExecutorLost, "ZeroDivisionError: for everybody"),
        ("all fault beside threads", ExecutorLost, "ZeroDivisionError: for everybody"),
    ],
)
async def test_what_strikes_the_process_loses_all_and_it_is_replaced(
    start: Start, prompt: str, kind: type[Exception], text: str
) -> None:
    executor = await start()
    pid = executor.pid
    assert pid is not None
    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(
            executor.generate(1, ask(steps=150), ignore),
            executor.generate(2, ask(prompt), ignore),
            return_exceptions=True,
        )
    assert [type(outcome) for outcome in outcomes] == [kind, kind]
    assert text in str(outcomes[0])
    assert executor.problem is not None
    assert not alive(pid)
    assert (await executor.generate(1, ask(), ignore)).revision != str(pid)
    assert executor.problem is None


async def test_sigkill_in_mid_job(start: Start) -> None:
    executor = await start()
    began = asyncio.Event()
    task = asyncio.create_task(executor.generate(1, ask(steps=150), lambda _: began.set()))
    await began.wait()
    await kill(executor)
    with pytest.raises(ExecutorLost, match="SIGKILL"):
        await task
    await executor.generate(1, ask(), ignore)


async def test_a_stopped_process_is_given_up(start: Start) -> None:
    executor = await start(timing=Timing(heartbeat=0.05, silence=2))
    assert executor.pid is not None
    task = asyncio.create_task(executor.generate(1, ask(steps=150), ignore))
    await asyncio.sleep(0)
    os.kill(executor.pid, signal.SIGSTOP)
    with pytest.raises(ExecutorLost, match=r"no sign of life for 2 s"):
        await task


async def test_a_job_cancelled_under_a_dying_process_is_cancelled(start: Start) -> None:
    executor = await start()
    task = asyncio.create_task(executor.generate(1, ask("hang"), ignore))
    await asyncio.sleep(0)
    executor.cancel(1)
    await kill(executor)
    with pytest.raises(GenerationCancelled):
        await task


async def test_a_process_that_dies_at_once_is_replaced_with_pauses(
    start: Start, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (models / "model" / "deadly").touch()
    executor = await start(ready=False)
    task = asyncio.create_task(executor.generate(1, ask(), ignore))
    await until(lambda: caplog.text.count("Another process starts") >= 3)
    assert "starts in 0 s" in caplog.text
    assert "starts in 0.1 s" in caplog.text
    assert executor.problem == "The engine's process died: it ended with status 4."
    (models / "model" / "deadly").unlink()
    assert (await task).steps_run == 3  # it was never sent to one that died


async def test_a_bad_folder_fails_without_a_loop_and_mends(start: Start, models: Path) -> None:
    broken = models / "model" / "broken"
    broken.touch()
    executor = await start(ready=False)
    with pytest.raises(ModelError, match="broken is in the way"):
        await executor.generate(1, ask(), ignore)
    assert executor.state is ExecutorState.FAILED
    assert executor.problem == f"{broken} is in the way."
    pid = executor.pid
    assert (await executor.generate(2, ask(model="other"), ignore)).model == "other"
    broken.unlink()
    assert (await executor.generate(3, ask(), ignore)).model == "model"
    assert executor.pid == pid
    assert executor.state is ExecutorState.READY


async def test_prints_go_to_the_log_not_into_the_pipe(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    executor = await start()
    await executor.generate(1, ask("print"), ignore)
    await until(lambda: f"engine {executor.pid}: printed by a library" in caplog.text)


async def test_it_leaves_the_bot_its_cores(start: Start) -> None:
    executor = await start(threads=3)
    assert executor.pid is not None
    assert os.getpriority(os.PRIO_PROCESS, executor.pid) >= 5
    process = psutil.Process(executor.pid)
    assert process.environ()["OMP_NUM_THREADS"] == "3"


def writable_pipes(pid: int | None) -> list[int]:
    """The ends of its pipes that another process writes to, but for stderr, opened by us."""
    folder = Path(f"/proc/{pid}/fd")
    pipes = []
    for path in folder.iterdir():
        flags = re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{path.name}").read_text())
        writes = flags is not None and int(flags[1], 8) & os.O_ACCMODE == os.O_WRONLY
        if writes and path.is_fifo() and not path.samefile(folder / "2"):
            pipes.append(os.open(path, os.O_WRONLY))
    return pipes


@pytest.mark.skipif(sys.platform != "linux", reason="reaches into /proc")
async def test_a_process_that_talks_nonsense_is_replaced(start: Start) -> None:
    executor = await start()
    pid = executor.pid
    task = asyncio.create_task(executor.generate(1, ask(steps=150), ignore))
    await asyncio.sleep(0)
    for pipe in writable_pipes(pid):
        os.write(pipe, b"\0\0\0\4junk")
        os.close(pipe)
    with pytest.raises(ExecutorLost, match="unreadable"):
        await task
    await executor.generate(2, ask(), ignore)


async def test_the_terminal_s_signals_are_the_bot_s_business(start: Start) -> None:
    executor = await start()
    pid = executor.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    await executor.generate(1, ask(), ignore)
    assert executor.pid == pid


async def test_close_ends_the_process_and_every_job(start: Start) -> None:
    executor = await start()
    pid = executor.pid
    assert pid is not None
    task = asyncio.create_task(executor.generate(1, ask(steps=150), ignore))
    await asyncio.sleep(0)
    await asyncio.gather(executor.close(), executor.close())
    assert executor.state is ExecutorState.CLOSED
    assert not alive(pid)
    for ended in (task, executor.generate(2, ask(), ignore)):
        with pytest.raises(ExecutorLost):
            await ended
    await executor.start()
    assert executor.state is ExecutorState.CLOSED


async def test_close_while_it_hangs_takes_no_longer_than_its_grace(start: Start) -> None:
    executor = await start()
    pid = executor.pid
    assert pid is not None
    task = asyncio.create_task(executor.generate(1, ask("hang"), ignore))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await executor.close()
    assert not alive(pid)
    with pytest.raises(ExecutorLost):
        await task


async def test_close_before_start() -> None:
    executor = ProcessExecutor(model="pocket")
    await executor.close()
    assert executor.state is ExecutorState.CLOSED
