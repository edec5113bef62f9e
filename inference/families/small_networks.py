"""Folders of this project's own small networks: a `config.json` and float16 weights."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from inference.errors import ModelError
from inference.families.weights import write_weights

WEIGHTS = "model.safetensors"
CONFIG = "config.json"

Network = TypeVar("Network", bound=nn.Module)


def save_network(net: nn.Module, config: Any, folder: Path) -> None:
    """Writes its folder; `config` is a dataclass of plain values."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n", "utf-8")
    write_weights({k: v.half() for k, v in net.state_dict().items()}, folder / WEIGHTS)


def read_network(folder: Path, make: Callable[[dict[str, Any]], Network], kind: str) -> Network:
    """The network in float32. make: of what `config.json` says; what it raises is the file's fault.
    kind: what people call it.

    Raises ModelError that names the file at fault.
    """
    path = folder / CONFIG
    try:
        net = make(json.loads(path.read_text("utf-8")))
        path = folder / WEIGHTS
        net.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    except FileNotFoundError:
        raise ModelError(f"{path} is missing.") from None
    except (
        *(OSError, ValueError, TypeError, KeyError, OverflowError, RuntimeError),
        SafetensorError,
    ) as error:
        raise ModelError(f"{path} holds no {kind}: {error}") from error
    return net
