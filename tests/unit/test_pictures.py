"""The picture process: it works, and it may die, hang or grow without harm."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.errors import BadPicture
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker
from inference.picture import MAX_SIDE

LIMITS = PictureLimits(max_bytes=10**7, max_pixels=50_000_000)


def save(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@cache
def slow_picture() -> bytes:
    """A legal picture that takes more than a tenth of a second to normalise anywhere."""
    return save(Image.new("RGB", (5000, 5000), "teal"))


@pytest.fixture
async def worker() -> AsyncIterator[PictureWorker]:
    async with PictureWorker(LIMITS) as worker:
        yield worker


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until_gone(pid: int) -> None:
    def wait() -> None:
        deadline = time.monotonic() + 15
        while alive(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    await asyncio.to_thread(wait)


async def test_all_orders_come_back_as_bytes(worker: PictureWorker) -> None:
    assert worker.pid is None  # started when first needed
    made = await worker.normalise(save(Image.new("LA", (40, 30))))
    assert (made.width, made.height) == (40, 30)
    assert made.note == "Transparent parts become white."
    assert Image.open(BytesIO(made.data)).size == (40, 30)
    assert Image.open(BytesIO(await worker.thumbnail(made.data, 20))).size == (20, 15)
    noise = save(Image.frombytes("RGB", (64, 64), random.Random(1).randbytes(64 * 64 * 3)))
    encoded = await worker.encode_for_upload(noise, 9000)
    assert (encoded.extension, len(encoded.data) <= 9000) == ("webp", True)
    assert 0 < worker.peak_memory < 100 * 2**20
    assert worker.lost == 0


async def test_a_png_that_fits_needs_no_process(worker: PictureWorker) -> None:
    assert (await worker.encode_for_upload(b"png", 3)).data == b"png"
    assert worker.pid is None


async def test_a_bad_picture_is_a_sentence_and_the_process_lives_on(worker: PictureWorker) -> None:
    with pytest.raises(BadPicture, match="The file is a web page; only PNG"):
        await worker.normalise(b"<html></html>")
    pid = worker.pid
    await worker.normalise(save(Image.new("RGB", (4, 4))))
    assert worker.pid == pid


async def test_orders_at_the_same_time_do_not_mix(worker: PictureWorker) -> None:
    files = [save(Image.new("RGB", (8, 8 + i))) for i in range(20)]
    made = await asyncio.gather(*(worker.normalise(data) for data in files))
    assert [picture.height for picture in made] == [8 + i for i in range(20)]


async def test_a_process_that_is_killed_is_replaced_and_the_picture_read_after_all(
    worker: PictureWorker,
) -> None:
    await worker.normalise(save(Image.new("RGB", (4, 4))))
    pid = worker.pid
    assert pid is not None
    order = asyncio.create_task(worker.normalise(slow_picture()))
    await asyncio.sleep(0.05)  # in the middle, most likely; at any other moment it holds as well
    os.kill(pid, signal.SIGKILL)
    assert (await order).width == 2048
    assert worker.pid != pid


async def test_a_process_killed_between_two_orders_is_replaced(worker: PictureWorker) -> None:
    data = save(Image.new("RGB", (4, 4)))
    await worker.normalise(data)
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until_gone(pid)
    assert (await worker.normalise(data)).width == 4


async def test_a_picture_that_takes_too_long_is_given_up_and_the_next_one_is_read() -> None:
    limits = PictureLimits(max_bytes=10**7, max_pixels=50_000_000, seconds=0.001)
    async with PictureWorker(limits) as worker:
        with pytest.raises(BadPicture, match=r"takes more than 0\.001 seconds; save it as a new"):
            await worker.normalise(slow_picture())
        assert worker.pid is None
        assert worker.lost == 1


async def test_the_largest_picture_painted_over_takes_little_time_and_memory(
    worker: PictureWorker,
) -> None:
    original = Image.radial_gradient("L").resize((MAX_SIDE, MAX_SIDE)).convert("RGB")
    painted = original.convert("RGBA")
    painted.paste("red", (100, 200, 1100, 1200))
    started = time.monotonic()
    mask = await worker.mask_by_hand(save(original), save(painted))
    assert time.monotonic() - started < 20
    assert worker.peak_memory < 400 * 2**20
    found = Image.open(BytesIO(mask))
    assert (found.mode, found.size) == ("L", original.size)
    left, top, right, bottom = found.getbbox() or (0, 0, 0, 0)
    assert max(abs(left - 100), abs(top - 200), abs(right - 1100), abs(bottom - 1200)) < 16


async def test_memory_is_limited() -> None:
    limits = PictureLimits(max_bytes=10**6, max_pixels=50_000_000, bytes_per_pixel=0)
    # Its pixels fit into that memory once, but not a second time to be converted.
    big = save(Image.new("RGBA", (7000, 7000)))
    async with PictureWorker(limits) as worker:
        with pytest.raises(BadPicture, match="takes more memory than is allowed; post it with"):
            await worker.normalise(big)
        assert worker.peak_memory < limits.memory
        assert (await worker.normalise(save(Image.new("RGB", (4, 4))))).width == 4


async def test_a_cancelled_order_leaves_the_worker_in_step(worker: PictureWorker) -> None:
    await worker.normalise(save(Image.new("RGB", (4, 4))))
    order = asyncio.create_task(worker.normalise(slow_picture()))
    await asyncio.sleep(0.02)
    order.cancel()
    with pytest.raises(asyncio.CancelledError):
        await order
    assert (await worker.normalise(save(Image.new("RGB", (5, 5))))).width == 5


async def test_the_event_loop_goes_on_while_a_picture_is_read(worker: PictureWorker) -> None:
    order = asyncio.create_task(worker.normalise(slow_picture()))
    begun = last = time.monotonic()
    longest = 0.0
    while not order.done():
        await asyncio.sleep(0.001)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    assert longest < (last - begun) / 2


async def test_closing_ends_the_process_and_cancels_who_waits() -> None:
    worker = PictureWorker(LIMITS)
    await worker.normalise(save(Image.new("RGB", (4, 4))))
    pid = worker.pid
    assert pid is not None
    orders = [asyncio.create_task(worker.normalise(slow_picture())) for _ in range(2)]
    await asyncio.sleep(0.02)
    await worker.close()
    await worker.close()
    results = await asyncio.gather(*orders, return_exceptions=True)
    # Nobody may tell a member that the picture was bad.
    assert [type(result) for result in results] == [asyncio.CancelledError] * 2
    assert not alive(pid)


BOT = """
import asyncio, os
from bot.picture_frames import PictureLimits
from bot.pictures import PictureWorker

async def main():
    worker = PictureWorker(PictureLimits(max_bytes=10**7, max_pixels=50_000_000))
    try:
        await worker.normalise(b"")
    except Exception:
        print(worker.pid, flush=True)
    with open({path!r}, "rb") as file:
        await worker.normalise(file.read())
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_process_does_not_outlive_a_bot_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "slow.png"
    path.write_bytes(slow_picture())
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BOT.format(path=str(path)), stdout=asyncio.subprocess.PIPE
    )
    assert bot.stdout is not None
    pid = int(await bot.stdout.readline())
    assert alive(pid)
    bot.kill()
    await bot.wait()
    await until_gone(pid)


def test_the_bot_s_side_loads_no_pillow() -> None:
    code = "import bot.pictures, sys; print('PIL' in sys.modules, 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False False\n"


def test_limits_reach_the_process_as_they_are() -> None:
    assert PictureLimits.from_json(LIMITS.to_json()) == LIMITS
