"""How much memory there is, as Linux and its control groups tell it."""

from pathlib import Path

import pytest

from inference.executors import cgroups, memory

GIB = 2**30


class Files:
    """A machine of 1000 GiB, of which 600 are available."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.groups = folder / "cgroup"
        self.write("meminfo", f"MemTotal: 9 kB\nMemAvailable:   {600 * 2**20} kB\n")
        self.write("self", "")
        monkeypatch.setattr(cgroups, "_ROOT", self.groups)
        monkeypatch.setattr(memory, "_MEMINFO", folder / "meminfo")
        monkeypatch.setattr(cgroups, "_OWN", folder / "self")
        monkeypatch.setattr(
            "os.sysconf", lambda name: {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 1000 * GIB}[name]
        )

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    return Files(tmp_path, monkeypatch)


def test_without_a_limit_it_is_what_the_machine_has_to_spare(files: Files) -> None:
    assert memory.available_on_machine() == 600 * GIB
    files.write("self", "0::/service\n")
    files.write("cgroup/service/memory.max", "max\n")
    files.write("cgroup/service/memory.current", f"{GIB}\n")
    assert memory.available_on_machine() == 600 * GIB
    assert memory.room_for_models("cpu") == 1000 * GIB // 3


def test_a_container_has_what_its_group_and_those_above_allow(files: Files) -> None:
    files.write("self", "1:name=systemd:/\n0::/slice/service\n")
    files.write("cgroup/slice/service/memory.max", f"{30 * GIB}\n")
    files.write("cgroup/slice/service/memory.current", f"{20 * GIB}\n")
    files.write("cgroup/slice/service/memory.stat", f"anon 5\ninactive_file {4 * GIB}\n")
    assert memory.available_on_machine() == 14 * GIB
    files.write("cgroup/slice/memory.max", f"{21 * GIB}\n")
    files.write("cgroup/slice/memory.current", f"{20 * GIB}\n")
    assert memory.available_on_machine() == 1 * GIB
    assert memory.room_for_models("cpu") == 7 * GIB


def test_the_first_version_of_control_groups_is_read_too(files: Files) -> None:
    files.write("self", "5:cpu,memory:/host/path\n4:cpuset:/\n")
    root = "cgroup/memory/"  # in a container the host's path is not there
    files.write(root + "memory.limit_in_bytes", f"{8 * GIB}\n")
    files.write(root + "memory.usage_in_bytes", f"{9 * GIB}\n")
    files.write(root + "memory.stat", f"inactive_file 3\ntotal_inactive_file {3 * GIB}\n")
    assert memory.available_on_machine() == 2 * GIB
    files.write(root + "memory.stat", "")
    assert memory.available_on_machine() == 0


def test_where_there_is_no_linux_it_is_all_the_machine_has(files: Files) -> None:
    (files.folder / "meminfo").unlink()
    (files.folder / "self").unlink()
    assert memory.available_on_machine() == 1000 * GIB
