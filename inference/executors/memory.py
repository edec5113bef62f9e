"""How much memory there is, and how much of it models may take together."""

import os
from collections.abc import Iterator
from pathlib import Path

from inference.executors.cgroups import lines_of, own_groups

_MEMINFO = Path("/proc/meminfo")


def room_for_models(device: str) -> int:
    """Bytes of weights to keep loaded: a third of what the device has.

    The rest is for what a step needs beside them, and weights may be widened when loaded.
    """
    return (_machine() if device == "cpu" else _accelerator() or _machine()) // 3


def available_on_machine() -> int:
    """Bytes that could be taken now without swapping: the machine's, or the container's rest.

    Where the system does not tell what is available, all that it has.
    """
    kilobytes = [line.split()[1] for line in lines_of(_MEMINFO) if line.startswith("MemAvailable:")]
    sizes = [_machine(), *(int(number) * 1024 for number in kilobytes)]
    for folder, limit, usage, cache in _cgroups():
        most, taken = _number(folder / limit), _number(folder / usage)
        if most is not None and taken is not None:
            # What the kernel only keeps of files, it drops before it refuses memory.
            reusable = sum(
                int(line.split()[1])
                for line in lines_of(folder / "memory.stat")
                if line.startswith(f"{cache} ")
            )
            sizes.append(max(0, most - taken + reusable))
    return min(sizes)


def _machine() -> int:
    """The machine's memory, or what the container allows of it."""
    limits = (_number(folder / limit) for folder, limit, _, _ in _cgroups())
    sizes = [limit for limit in limits if limit is not None]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *sizes])


def _cgroups() -> Iterator[tuple[Path, str, str, str]]:
    """The control groups that this process is in, its own and those above it.

    Each is a folder with the names of its limit, its usage and, in memory.stat, its file cache,
    which differ between the two versions of control groups.
    """
    first = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    second = ("memory.max", "memory.current", "inactive_file")
    for folder, is_second in own_groups("memory"):
        yield (folder, *(second if is_second else first))


def _number(path: Path) -> int | None:
    """What a file of a control group says; None for "max" and where there is no such file."""
    text = "".join(lines_of(path))
    return int(text) if text.isdigit() else None


def _accelerator() -> int:
    """The smallest accelerator's memory, 0 where there is none."""
    import torch  # here: only an engine's process may load it

    return min(
        (
            torch.cuda.get_device_properties(index).total_memory
            for index in range(torch.cuda.device_count())
        ),
        default=0,
    )
