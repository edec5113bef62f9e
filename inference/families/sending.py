"""What is made on the CPU, brought to where it is needed."""

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, without waiting for what that still has to do.

    A plain copy to a GPU waits until everything before it is done there; only one from pinned
    memory does not.
    """
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
