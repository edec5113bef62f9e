"""How an engine uses its device."""

import math
from dataclasses import dataclass, replace

import torch

SATURATION = 2.0 * (64 * 64) * 860e6
"""Work that keeps a GPU busy, in rows × latent places × parameters of the denoiser: two rows of
Stable Diffusion 1.5 at 512². With fewer it is done sooner, but not by as much."""

WIDE_WORK = 1e11
"""Likewise of a forward pass on a CPU, beyond which a wider one is not worth a comparison with the
usual ones: 8 rows of a UNet of 11 million parameters at 256²."""

MOST_ROWS = 16
"""Of one forward pass on a GPU, however small the pictures are."""

ROW_COUNTS = (1, 2, 4, 6, 8, 12, 16)
"""Of passes that are compiled. Each costs a minute of compiling for each size of picture, and
between two neighbours at most a third of a pass is wasted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """Sizes of batches and caches.

    strict: a picture's bits depend on its request alone: every forward pass for one latent shape
        has the same number of rows, or gives what that would, and the autoencoder sees one picture
        at a time.
    exact: on a CPU everything is fp32; False lets one that multiplies bf16 natively run the
        model in it.
    rows: of one forward pass, at most. Even.
    saturation: work of a forward pass that keeps the device busy, in rows × latent places ×
        parameters of the denoiser. In strict mode a pass has as many rows as that takes.
    wide: in strict mode, rows that a pass may have for several pictures where that was seen to
        change no bit; see `Widths`. 0: every pass has its usual rows. Only as many as are less
        work than WIDE_WORK, beyond which nothing is gained.
    compiled: the denoiser's passes are compiled in the background, those whose shapes are used
        most. Not in strict mode: a picture's bits must not depend on when that is done.
    shapes: numbers of rows that a forward pass may have; one with another number is filled up to
        the next. Empty: any. In strict mode there is but one for each size anyway.
    turns: whether pictures that cannot share a forward pass take turns, a step each. Else only
        the one that is in flight longest advances, with those that can share its passes: where
        every row costs the same, turns would only have all of them done later.
    slots: pictures in flight at once, of all sizes together; the others wait.
    together: pictures that are encoded or decoded together, at most; 1 in strict mode.
    preview_seconds: least time between two previews of one job.
    sources: how many encoded ones are kept.
    """

    strict: bool = True
    exact: bool = True
    rows: int = 2
    saturation: float = 0.0
    wide: int = 0
    compiled: bool = False
    shapes: tuple[int, ...] = ()
    turns: bool = True
    slots: int = 4
    together: int = 1
    preview_seconds: float = 1.0
    sources: int = 32

    def __post_init__(self) -> None:
        if self.rows < 2 or self.rows % 2:
            raise ValueError("rows must be even and at least 2")
        if self.strict and (self.compiled or self.shapes):
            raise ValueError("in strict mode nothing is compiled")

    def rows_for(self, places: int, parameters: int, each: int) -> int:
        """Rows of one forward pass: in strict mode always, else at most.

        places: of the latents, height × width. parameters: of the denoiser. each: rows that one
        picture has; in strict mode the answer is a multiple of it, the smallest that saturates.
        """
        if not self.strict:
            return self.rows
        needed = math.ceil(min(self.rows, self.saturation / (places * parameters)))
        return each * max(1, math.ceil(needed / each))

    def wide_rows(self, places: int, parameters: int) -> int:
        """Rows of a wide pass, at most; 0 where there is none."""
        return min(self.wide, int(WIDE_WORK / max(1, places * parameters)))

    def padded(self, rows: int) -> int:
        """Rows of a forward pass that has to take so many; not in strict mode."""
        return min((shape for shape in self.shapes if shape >= rows), default=rows)

    def compiling(self, compiled: bool) -> "EngineSettings":
        """The same with or without a compiler. Raises ValueError for one in strict mode."""
        return replace(self, compiled=compiled, shapes=ROW_COUNTS if compiled else ())

    @classmethod
    def for_device(cls, device: torch.device, *, strict: bool = True) -> "EngineSettings":
        """What suits the device: a CPU is busy with one picture's two rows, a GPU is not.

        Without strict, exact is given up too, and on a GPU passes are compiled. On a CPU that is
        no faster than what `families.packed` does.
        """
        if device.type == "cpu" and strict:
            return cls(wide=8, turns=False, slots=16)
        if device.type == "cpu":
            return cls(strict=False, exact=False, rows=8, turns=False, slots=16, together=2)
        settings = cls(
            strict=strict,
            exact=strict,
            rows=MOST_ROWS,
            saturation=SATURATION,
            slots=32,
            together=1 if strict else 4,
        )
        return settings.compiling(not strict)
