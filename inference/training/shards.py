"""Rendered groups on disk: one array of pictures and one list of facts for each size."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from inference.errors import RequestError
from inference.training.data import Facts, Group, Pixels


@dataclass(frozen=True)
class Shard:
    """Many groups of one size: uint8 [groups * per_group, height, width, 3] and as many facts."""

    pixels: Pixels
    facts: tuple[Facts, ...]
    per_group: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.pixels.shape[2], self.pixels.shape[1]


def gather(made: Iterable[Group], count: int) -> Shard:
    """Collects `count` groups with a progress bar; all have the same number of pictures."""
    found = list(tqdm(made, total=count, unit="group", mininterval=5))
    facts = tuple(f for g in found for f in g.facts)
    return Shard(np.concatenate([g.pixels for g in found]), facts, len(facts) // len(found))


def write(shard: Shard, folder: Path) -> Path:
    """Writes `WxH.npy` and `WxH.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / "{}x{}".format(*shard.size)
    np.save(stem.with_suffix(".npy"), shard.pixels)
    text = {"per_group": shard.per_group, "facts": [asdict(f) for f in shard.facts]}
    stem.with_suffix(".json").write_text(json.dumps(text))
    return stem.with_suffix(".npy")


def read(path: Path, groups: int | None = None) -> Shard:
    """The shard whose array is `path`, or its first `groups`; pictures stay on disk until used."""
    text = json.loads(path.with_suffix(".json").read_text())
    facts = tuple(map(_fact, text["facts"]))
    count = len(facts) if groups is None else min(len(facts), groups * text["per_group"])
    return Shard(np.load(path, mmap_mode="r")[:count], facts[:count], text["per_group"])


def facts_in(folder: Path) -> list[Facts]:
    """The facts of all shards of a folder. Raises RequestError where there are none."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise RequestError(f"{folder} holds no shards; `render` makes them.")
    return [_fact(one) for text in found for one in text["facts"]]


def _fact(kept: dict[str, Any]) -> Facts:
    return Facts(**kept | ({"box": tuple(kept["box"])} if "box" in kept else {}))
