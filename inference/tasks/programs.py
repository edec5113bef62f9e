"""Tasks that take more than one request: what they ask for in turn, and what they make of it.

A program is a generator. It yields rounds of plain requests, which the engine runs together with
everything else in flight, is sent their results, and returns its own.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Requests that run at the same time, none of a task that is a program itself.

    more: denoising steps that later rounds are going to take, for the progress.
    whole: whether each makes a whole picture of the result, so that it may be shown as it comes.
    """

    requests: Sequence[GenerationRequest]
    more: int = 0
    whole: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """What a program made. notes: for the member, a sentence each."""

    images: tuple[GeneratedImage, ...]
    notes: tuple[str, ...] = ()


Program = Generator[Round, Sequence[GenerationResult], Product]
"""Is sent the results of a round's requests, in their order. May raise RequestError."""
