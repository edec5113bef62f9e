"""What a generation gives back: progress while it runs, pictures when it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far one job is.

    step: denoising steps finished, 0 ≤ step ≤ steps.
    steps: steps this job runs in all (after strength shortened the schedule).
    preview: a small JPEG of the picture so far, or None when there is no new one.
    """

    step: int
    steps: int
    preview: bytes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedImage:
    """One finished picture.

    data: PNG file, 8-bit RGB, width × height pixels.
    seed: the seed that alone, with the same request, makes this picture again.
    """

    data: bytes
    width: int
    height: int
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationResult:
    """All pictures of one request and what is needed to make them again.

    steps_run: denoising steps actually executed per picture (0 at strength 0).
    seconds: from the moment the executor began to work on it.
    batch_shape: the padded forward-pass shape of strict mode, e.g. "2x4x32x32"; "" if none ran.
    versions: library name → version, and “lora NAME” or “embedding NAME” → the fingerprint of
        its file, for the job log.
    notes: what of the request had no meaning for the model, a sentence each.
    """

    images: tuple[GeneratedImage, ...]
    model: str
    revision: str
    scheduler: str
    steps_run: int
    seconds: float
    batch_shape: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
