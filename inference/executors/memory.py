"""How much memory models may take together."""

import os
from pathlib import Path

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def room_for_models(device: str) -> int:
    """Bytes of weights to keep loaded: a third of what the device has.

    The rest is for what a step needs beside them, and weights may be widened when loaded.
    """
    return (_machine() if device == "cpu" else _accelerator() or _machine()) // 3


def _machine() -> int:
    """The machine's memory, or what the container allows of it."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in _CGROUP_LIMITS:
        text = limit.read_text().strip() if limit.is_file() else "max"
        if text.isdigit():
            sizes.append(int(text))
    return min(sizes)


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
