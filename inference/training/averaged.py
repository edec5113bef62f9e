"""Looking at a model with its averaged weights, without a second copy in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def averaged(
    modules: Mapping[str, nn.Module], average: Mapping[str, Mapping[str, Tensor]]
) -> Iterator[None]:
    """The modules in evaluation mode and, where there are averages, with those as their weights.

    Weights change places with the averages by reference and back again, so not a bit is altered.
    """
    _exchange(modules, average)
    modes = {name: module.training for name, module in modules.items()}
    for module in modules.values():
        module.eval()
    try:
        yield
    finally:
        _exchange(modules, average)
        for name, module in modules.items():
            module.train(modes[name])


def _exchange(
    modules: Mapping[str, nn.Module], average: Mapping[str, Mapping[str, Tensor]]
) -> None:
    for name, kept in average.items():
        module = modules[name]
        for key, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if key in kept:
                tensor.data, kept[key].data = kept[key].data, tensor.data
