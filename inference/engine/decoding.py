"""Finished latents into finished pictures."""

from collections.abc import Iterable

from inference.engine.autoencoder import Autoencoder
from inference.engine.costs import Size
from inference.engine.files import Files
from inference.engine.largest import Largest
from inference.engine.slot import Slot
from inference.families.latents import Pixels


class Decoder:
    """Decodes the pictures of jobs.

    files: where the pictures go.
    strict: whether the pictures of one job must all be made in the same way.
    """

    def __init__(
        self, autoencoder: Autoencoder, files: Files, largest: Largest, *, strict: bool
    ) -> None:
        self._autoencoder = autoencoder
        self._files = files
        self._largest = largest
        self._strict = strict

    def decode(self, slots: Iterable[Slot]) -> None:
        """Has the pictures written, those of one size decoded together.

        A job whose picture does not fit the memory has failed then; one that had pictures, made
        in another way than is possible now, starts over.
        """
        sizes: dict[Size, list[Slot]] = {}
        for slot in slots:
            sizes.setdefault(slot.job.size, []).append(slot)
        for size, group in sizes.items():
            made = self._autoencoder.decode(size, [slot.latents for slot in group])
            for slot, (pixels, tile) in zip(group, made, strict=False):
                if slot.live:
                    self._keep(slot, pixels, tile)
            for slot in group[len(made) :]:
                slot.job.fail(self._largest.refusal(slot.job))

    def _keep(self, slot: Slot, pixels: Pixels, tile: int | None) -> None:
        job = slot.job
        if self._strict and job.decoded and job.decode_tile != tile:
            job.start_over()
            return
        job.decoded += 1
        job.decode_tile = tile
        self._files.write(slot, pixels)
