"""Layers that keep their weights as a CPU's kernels want them: reordered once, not at each call."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from inference.families.cache import Cache

LAYOUTS = 2
"""Kept of each layer's weights. They differ with the width of the picture more than with the rows
of a pass; with one too few kept, a call costs what it costs without packing."""

_SHAPES = 64

_ops: Any = torch.ops.mkldnn


def pack(network: nn.Module, *, room: int) -> None:
    """Lets a network on the CPU keep reordered copies of its weights, made when first needed.

    oneDNN multiplies blocks of channels, and torch hands it plain weights, which it reorders at
    every call: a seventh of a pass of a small UNet on two cores.

    room: bytes that the weights may take together with their copies, LAYOUTS of each; a larger
    network is left as it is. So are layers of other kinds than Conv2d and Linear, and all of them
    where this torch has no oneDNN.

    The layers stay what they were, with their own weights, hooks and names; whoever changes these
    weights afterwards will not see it in the results. What a layer gives depends on its input
    alone, not on what was packed before.
    """
    weights = sum(each.numel() * each.element_size() for each in network.parameters())
    if weights * (1 + LAYOUTS) > room or not _supported():
        return
    for layer in network.modules():
        if type(layer) is nn.Conv2d and _plain(layer):
            layer.__class__ = PackedConv2d
        elif type(layer) is nn.Linear:
            layer.__class__ = PackedLinear
        if isinstance(layer, PackedConv2d | PackedLinear):
            layer.packed = _Packed(layer.pack)


class _Packed:
    """One layer's weights in the layouts used last.

    make: for inputs of a shape. Which layout that is can only be told once it is made.
    """

    def __init__(self, make: Callable[[torch.Size], Tensor]) -> None:
        self._make = make
        self._names: Cache[torch.Size, bytes] = Cache(_SHAPES)
        self._weights: Cache[bytes, Tensor] = Cache(LAYOUTS)

    def for_input(self, shape: torch.Size) -> Tensor:
        """The weights as they are fastest for inputs of this shape."""
        name = self._names.get(shape, lambda: _layout(self._make(shape)))
        return self._weights.get(name, lambda: self._make(shape))


class PackedConv2d(nn.Conv2d):
    """A convolution for inference on a CPU; made by `pack` alone."""

    packed: _Packed

    def forward(self, input: Tensor) -> Tensor:
        """As nn.Conv2d; fastest where the input is channels_last."""
        return _ops._convolution_pointwise.default(
            input,
            self.packed.for_input(input.shape),
            self.bias,
            self.padding,
            self.stride,
            self.dilation,
            self.groups,
            *_NOTHING_FUSED,
        )

    def pack(self, shape: torch.Size) -> Tensor:
        """The weights for inputs of this shape."""
        return _ops._reorder_convolution_weight(
            self.weight, self.padding, self.stride, self.dilation, self.groups, shape
        )


class PackedLinear(nn.Linear):
    """A linear layer for inference on a CPU; made by `pack` alone."""

    packed: _Packed

    def forward(self, input: Tensor) -> Tensor:
        """As nn.Linear."""
        return _ops._linear_pointwise.default(
            input, self.packed.for_input(input.shape), self.bias, *_NOTHING_FUSED
        )

    def pack(self, shape: torch.Size) -> Tensor:
        """The weights for inputs of this shape."""
        return _ops._reorder_linear_weight(self.weight, shape[:-1].numel())


_NOTHING_FUSED: tuple[str, list[Any], str] = ("none", [], "")


def _supported() -> bool:
    """Whether this torch has what its own compiler (torch.compile) packs weights with."""
    names = (
        "_convolution_pointwise",
        "_reorder_convolution_weight",
        "_linear_pointwise",
        "_reorder_linear_weight",
        "_get_mkldnn_serialized_md",
    )
    return torch.backends.mkldnn.is_available() and all(hasattr(_ops, name) for name in names)


def _plain(layer: nn.Conv2d) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _layout(weights: Tensor) -> bytes:
    return bytes(_ops._get_mkldnn_serialized_md(weights).numpy().tobytes())
