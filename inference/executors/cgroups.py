"""The control groups that this process is in, through which Linux shares out its resources."""

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def own_groups(controller: str) -> Iterator[tuple[Path, bool]]:
    """The folders of its own group and of those above it, for `cpu`, `memory` …

    Beside each, whether it is of the second version of control groups, whose files have other
    names. Nothing where there is no Linux.
    """
    for line in lines_of(_OWN):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, second = _ROOT, True
        elif controller in controllers.split(","):
            root, second = _ROOT / controller, False
        else:
            continue
        # Within a container the path may be the host's, and only the root is there.
        own = root / path.lstrip("/")
        yield from ((folder, second) for folder in (own, *own.parents) if _within(folder, root))


def lines_of(path: Path) -> list[str]:
    """What a file says; nothing where there is none, or where it is not for us to see."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _within(folder: Path, root: Path) -> bool:
    return folder.is_relative_to(root) and folder.is_dir()
