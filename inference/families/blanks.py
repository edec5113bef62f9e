"""What a compiler needs to know of a call: the shapes of its arguments, and blanks of them."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Arguments = Mapping[str, Any]
"""By name: tensors, dictionaries of such, and plain values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Blank:
    """All there is to know of a tensor but its values."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


def key_of(value: Any) -> Hashable:
    """Equal for arguments that one compiled function can take."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    if isinstance(value, Mapping):
        return tuple((name, key_of(part)) for name, part in value.items())
    return value


def blank(value: Any) -> Any:
    """The same with Blanks in the tensors' places."""
    if isinstance(value, Tensor):
        size, stride = tuple(value.shape), value.stride()
        return Blank(size=size, stride=stride, dtype=value.dtype, device=value.device)
    if isinstance(value, Mapping):
        return {name: blank(part) for name, part in value.items()}
    return value


def fill(value: Any) -> Any:
    """The same with zeros in the Blanks' places."""
    if isinstance(value, Blank):
        empty = torch.empty_strided(
            value.size, value.stride, dtype=value.dtype, device=value.device
        )
        return empty.zero_()
    if isinstance(value, Mapping):
        return {name: fill(part) for name, part in value.items()}
    return value


def name_of(arguments: Arguments) -> str:
    """For people: the shape of the first tensor."""
    first = next(value for value in arguments.values() if isinstance(value, Tensor))
    return "×".join(map(str, first.shape))
