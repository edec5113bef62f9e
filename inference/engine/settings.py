"""How an engine uses its device."""

import math
from dataclasses import dataclass

import torch

SATURATION = 2.0 * (64 * 64) * 860e6
"""Work that keeps a GPU busy, in rows × latent places × parameters of the denoiser: two rows of
Stable Diffusion 1.5 at 512². With fewer it is done sooner, but not by as much."""

MOST_ROWS = 16
"""Of one forward pass on a GPU, however small the pictures are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """Sizes of batches and caches.

    strict: a picture's bits depend on its request alone: every forward pass for one latent shape
        has the same number of rows, and the autoencoder sees one picture at a time.
    exact: on a CPU everything is fp32; False lets one that multiplies bf16 natively run the
        model in it.
    rows: of one forward pass, at most. Even.
    saturation: work of a forward pass that keeps the device busy, in rows × latent places ×
        parameters of the denoiser. In strict mode a pass has as many rows as that takes.
    slots: pictures in flight at once, of all sizes together; the others wait.
    together: pictures that are encoded or decoded together, at most; 1 in strict mode.
    preview_seconds: least time between two previews of one job.
    sources: how many encoded ones are kept.
    """

    strict: bool = True
    exact: bool = True
    rows: int = 2
    saturation: float = 0.0
    slots: int = 4
    together: int = 1
    preview_seconds: float = 1.0
    sources: int = 32

    def __post_init__(self) -> None:
        if self.rows < 2 or self.rows % 2:
            raise ValueError("rows must be even and at least 2")

    def rows_for(self, places: int, parameters: int, each: int) -> int:
        """Rows of one forward pass: in strict mode always, else at most.

        places: of the latents, height × width. parameters: of the denoiser. each: rows that one
        picture has; in strict mode the answer is a multiple of it, the smallest that saturates.
        """
        if not self.strict:
            return self.rows
        needed = math.ceil(min(self.rows, self.saturation / (places * parameters)))
        return each * max(1, math.ceil(needed / each))

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
            return cls(strict=False, exact=False, rows=8, together=2)
        return cls(
            strict=strict,
            exact=strict,
            rows=MOST_ROWS,
            saturation=SATURATION,
            slots=32,
            together=1 if strict else 4,
        )
