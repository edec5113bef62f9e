"""How many threads torch may have in a container."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inference.executors import cgroups
from inference.executors.cores import use_allowed_cores


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    monkeypatch.setattr(cgroups, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(cgroups, "_OWN", tmp_path / "self")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield Files(tmp_path)
    torch.set_num_threads(before)


def test_without_a_limit_torch_decides(files: Files) -> None:
    use_allowed_cores()
    files.write("self", "0::/service\n")
    files.write("cgroup/service/cpu.max", "max 100000\n")
    use_allowed_cores()
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(("quota", "threads"), [(800000, 4), (250000, 2), (50000, 1)])
def test_a_limit_is_a_number_of_whole_cores(files: Files, quota: int, threads: int) -> None:
    files.write("self", "0::/pod/container\n")
    files.write("cgroup/pod/cpu.max", f"{quota} 100000\n")
    files.write("cgroup/pod/container/cpu.max", "max 100000\n")
    use_allowed_cores()
    assert torch.get_num_threads() == threads


def test_the_first_version_of_control_groups_is_read_too(files: Files) -> None:
    files.write("self", "5:cpu,cpuacct:/host/path\n0::/\n")  # within, only the root is there
    files.write("cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    files.write("cgroup/cpu/cpu.cfs_period_us", "100000\n")
    use_allowed_cores()
    assert torch.get_num_threads() == 4
    files.write("cgroup/cpu/cpu.cfs_quota_us", "300000\n")
    use_allowed_cores()
    assert torch.get_num_threads() == 3


def test_who_runs_it_has_the_last_word(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("self", "0::/\n")
    files.write("cgroup/cpu.max", "100000 100000\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    use_allowed_cores()
    assert torch.get_num_threads() == 4
