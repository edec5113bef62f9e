"""Sources as the autoencoder sees them, remembered."""

from collections.abc import Sequence

from inference.engine.autoencoder import Autoencoder
from inference.engine.costs import Size
from inference.engine.files import Files
from inference.engine.job import Job
from inference.engine.ladder import Ladder
from inference.engine.largest import Largest
from inference.errors import PictureError
from inference.families.cache import Cache
from inference.families.latents import Pixels, Posterior

Key = tuple[object, ...]


class Encoder:
    """Encodes the sources of jobs.

    files: where they come from. kept: how many are remembered.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        files: Files,
        ladder: Ladder,
        largest: Largest,
        *,
        kept: int,
    ) -> None:
        self._autoencoder = autoencoder
        self._files = files
        self._ladder = ladder
        self._largest = largest
        self._known: Cache[Key, Posterior] = Cache(kept)

    def encode(self, jobs: Sequence[Job]) -> None:
        """Gives each its posterior, those of one size together and equal sources once.

        A job whose source cannot be read or does not fit the memory has failed then.
        """
        sizes: dict[Size, dict[Key, list[Job]]] = {}
        for job in jobs:
            assert job.task is not None
            sizes.setdefault(job.size, {}).setdefault(job.task.source_key, []).append(job)
        for size, sources in sizes.items():
            self._encode(size, sources)

    def _encode(self, size: Size, sources: dict[Key, list[Job]]) -> None:
        pictures: dict[Key, Pixels] = {}
        tile = self._ladder.way(size).encode_tile
        for key, sharing in sources.items():
            known = self._known.find((*key, tile))
            if known is not None:
                self._give(sharing, known, tile)
                continue
            try:
                pictures[key] = self._files.source(sharing[0])
            except PictureError as error:
                for job in sharing:
                    job.fail(error)
        made = self._autoencoder.encode(size, list(pictures.values()))
        for key, (posterior, tile) in zip(pictures, made, strict=False):
            self._known.put((*key, tile), posterior)
            self._give(sources[key], posterior, tile)
        for key in list(pictures)[len(made) :]:
            for job in sources[key]:
                job.fail(self._largest.refusal(job))

    def _give(self, jobs: Sequence[Job], posterior: Posterior, tile: int | None) -> None:
        for job in jobs:
            job.posterior, job.encode_tile = posterior, tile
