"""`python -m tests.hostile`: what becomes of every hostile file, as a table."""

import asyncio
import sys

from bot.pictures import PictureWorker
from tests.hostile.files import hostile_files
from tests.hostile.trial import LIMITS, faults, outcome_of


async def main() -> int:
    """Prints the table; the number of files that did not become what they must."""
    wrong, count = 0, 0
    print("| group | file | bytes | becomes | seconds | peak MiB | text |")
    print("| --- | --- | ---: | --- | ---: | ---: | --- |")
    for group, one in hostile_files():
        async with PictureWorker(LIMITS) as worker:  # a new process: its peak is this file's
            outcome = await outcome_of(worker, one)
            found = list(faults(one, outcome))
            size = f" {outcome.picture.width}×{outcome.picture.height}" if outcome.picture else ""
            print(
                f"| {group} | {one.name} | {len(one.data)} | {outcome.kind}{size} "
                f"| {outcome.seconds:.2f} | {worker.peak_memory / 2**20:.0f} | {outcome.text} |"
            )
        for fault in found:
            print(f"WRONG: {one.name}: {fault}")
        wrong += bool(found)
        count += 1
    print(f"\n{count} files, {wrong} wrong.")
    return wrong


if __name__ == "__main__":
    sys.exit(asyncio.run(main()) > 0)
