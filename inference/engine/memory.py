"""How much memory a device has left, and how much a pass of the model took."""

import gc
from typing import Protocol

import torch

from inference.executors.memory import available_on_machine


class Memory(Protocol):
    """A device's memory, as far as the engine asks about it."""

    @property
    def kills(self) -> bool:
        """Whether a pass that is too large ends the process, instead of being refused."""

    def free(self) -> int:
        """Bytes that could be allocated now."""

    def watch(self) -> None:
        """Begins to watch what is allocated."""

    def peak(self) -> int | None:
        """The most that was allocated at once since `watch`, bytes; None where none can tell."""

    def release(self) -> None:
        """Gives back what is only kept for reuse."""


class AcceleratorMemory:
    """A GPU's, as torch's allocator knows it."""

    kills = False

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = 0

    def free(self) -> int:
        """What nobody has, and what torch holds without using it."""
        nobodys, _ = torch.cuda.mem_get_info(self._device)
        held = torch.cuda.memory_reserved(self._device)
        return int(nobodys) + held - torch.cuda.memory_allocated(self._device)

    def watch(self) -> None:
        """Forgets the last peak."""
        torch.cuda.reset_peak_memory_stats(self._device)
        self._before = torch.cuda.memory_allocated(self._device)

    def peak(self) -> int | None:
        """Above what was allocated already."""
        return torch.cuda.max_memory_allocated(self._device) - self._before

    def release(self) -> None:
        """Empties torch's cache."""
        gc.collect()
        torch.cuda.empty_cache()


class MachineMemory:
    """The machine's, for models that run on its CPU.

    Linux promises more than there is and kills who believes it, so here a forecast has to do.
    """

    kills = True

    def free(self) -> int:
        """What the machine has to spare, or what the container allows."""
        return available_on_machine()

    def watch(self) -> None:
        """The allocator for the CPU keeps no account."""

    def peak(self) -> int | None:
        """Nobody can tell."""
        return None

    def release(self) -> None:
        """Frees what refers to itself; the rest went back to the machine at once."""
        gc.collect()


def memory_of(device: torch.device) -> Memory:
    """The memory that a model on this device lives in."""
    return AcceleratorMemory(device) if device.type == "cuda" else MachineMemory()
