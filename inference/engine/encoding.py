"""Sources as the autoencoder sees them, remembered."""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.engine.autoencoder import Autoencoder
from inference.engine.costs import Size
from inference.engine.files import Files
from inference.engine.job import Job
from inference.engine.ladder import Ladder
from inference.engine.largest import Largest
from inference.executors.reports import is_device_lost
from inference.families.cache import Cache
from inference.families.latents import Levels, Posterior

Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What a job wants encoded: its source, or what is kept of it when the hole is grey."""

    job: Job
    kept: bool

    @property
    def key(self) -> Key:
        """Equal for what enters the autoencoder alike."""
        assert self.job.task is not None
        return self.job.task.kept_key if self.kept else self.job.task.source_key

    def give(self, posterior: Posterior, tile: int | None) -> None:
        """Hands it over."""
        if self.kept:
            self.job.kept = posterior
        else:
            self.job.posterior = posterior
        self.job.encode_tile = tile


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
        """Gives each its posteriors, those of one size together and equal sources once.

        A job whose source cannot be read or does not fit the memory has failed then.
        """
        sizes: dict[Size, dict[Key, list[_Wanted]]] = {}
        for job in jobs:
            for wanted in _wanted(job):
                sizes.setdefault(job.size, {}).setdefault(wanted.key, []).append(wanted)
        for size, sources in sizes.items():
            self._encode(size, sources)
        for job in jobs:
            self._files.forget(job)  # a source that was known is not asked for

    def _encode(self, size: Size, sources: dict[Key, list[_Wanted]]) -> None:
        pictures: dict[Key, Levels] = {}
        tile = self._ladder.way(size).encode_tile
        for key, sharing in sources.items():
            known = self._known.find((*key, tile))
            if known is not None:
                _give(sharing, known, tile)
                continue
            try:
                pictures[key] = self._read(sharing[0])
            except Exception as error:  # whatever a painter raises, others' pictures go on
                if is_device_lost(error):
                    raise
                for wanted in sharing:
                    wanted.job.fail(error)
        made = self._autoencoder.encode(size, list(pictures.values()))
        for key, (posterior, tile) in zip(pictures, made, strict=False):
            self._known.put((*key, tile), posterior)
            _give(sources[key], posterior, tile)
        for key in list(pictures)[len(made) :]:
            for wanted in sources[key]:
                wanted.job.fail(self._largest.refusal(wanted.job))

    def _read(self, wanted: _Wanted) -> Levels:
        """Raises PictureError, and what a painter raises."""
        if not wanted.kept:
            return self._files.source(wanted.job)
        assert wanted.job.task is not None
        return wanted.job.task.padded_kept()


def _wanted(job: Job) -> list[_Wanted]:
    parts = [False] * job.paints_over + [True] * job.sees_hole
    return [_Wanted(job=job, kept=kept) for kept in parts]


def _give(sharing: Sequence[_Wanted], posterior: Posterior, tile: int | None) -> None:
    for wanted in sharing:
        wanted.give(posterior, tile)
