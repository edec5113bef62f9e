"""How an engine uses its device."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """Sizes of batches and caches.

    strict: a picture's bits depend on its request alone: every forward pass for one latent shape
        has the same number of rows, and the autoencoder sees one picture at a time.
    exact: on a CPU everything is fp32; False lets one that multiplies bf16 natively run the
        model in it.
    rows: of one forward pass, at most (in strict mode exactly, for guidance > 1). Even.
    slots: pictures in flight at once; the others wait in the order they came.
    decode: pictures that are decoded together, at most; 1 in strict mode.
    preview_seconds: least time between two previews of one job.
    sources: how many encoded ones are kept.
    """

    strict: bool = True
    exact: bool = True
    rows: int = 2
    slots: int = 4
    decode: int = 1
    preview_seconds: float = 1.0
    sources: int = 32

    def __post_init__(self) -> None:
        if self.rows < 2 or self.rows % 2:
            raise ValueError("rows must be even and at least 2")

    @classmethod
    def for_device(cls, device: torch.device, *, strict: bool = True) -> "EngineSettings":
        """What suits the device: a CPU is busy with one picture's two rows, a GPU is not.

        Without strict, exact is given up too.
        """
        if device.type == "cpu" and strict:
            # One picture after the other would be done soonest on average; a second one in
            # flight lets a short job pass a long one.
            return cls(slots=2)
        if device.type == "cpu":
            return cls(strict=False, exact=False, rows=8, decode=2)
        return cls(strict=strict, exact=strict, rows=16, slots=32, decode=1 if strict else 4)
