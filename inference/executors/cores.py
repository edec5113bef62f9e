"""How many cores this process may keep busy."""

import os
from collections.abc import Iterator

from inference.executors.cgroups import lines_of, own_groups


def use_allowed_cores() -> None:
    """Gives torch no more threads than a container may run at once.

    torch counts the cores that it may run on. A container's limit is another thing, a share of
    their time: what exceeds it is suspended, and as torch's threads wait for each other, all of
    them are. With a limit of one core of two a UNet ran at three quarters of its speed on one
    thread. `OMP_NUM_THREADS` has the last word.
    """
    import torch

    if "OMP_NUM_THREADS" in os.environ:
        return
    threads = max(1, int(min(_limits(), default=torch.get_num_threads())))
    if threads < torch.get_num_threads():
        torch.set_num_threads(threads)


def _limits() -> Iterator[float]:
    """The cores' worth of time that each group allows."""
    for folder, second in own_groups("cpu"):
        if second:
            quota, _, period = "".join(lines_of(folder / "cpu.max")).partition(" ")
        else:
            quota = "".join(lines_of(folder / "cpu.cfs_quota_us"))  # -1 is none
            period = "".join(lines_of(folder / "cpu.cfs_period_us"))
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)
