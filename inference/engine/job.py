"""One request in the engine, from its admission to its result."""

from collections.abc import Callable
from dataclasses import dataclass, field

from inference.families.conditioning import Row
from inference.families.latents import Posterior
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress
from inference.tasks.img2img import Img2Img

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one job ended.

    result: its pictures, or what struck it, GenerationCancelled among that.
    submitted, started, finished: seconds of `time.monotonic`; started is None if it never was.
    """

    job_id: int
    result: GenerationResult | Exception
    submitted: float
    started: float | None
    finished: float


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """A request and how far it is.

    task, rows, posterior: set when it is admitted; posterior is None at strength 1.
    opened: pictures that were given a slot. steps: that all pictures together run, 0 until the
        first is open. pictures: the finished ones by index.
    previewed: when the last preview was made.
    """

    id: int
    request: GenerationRequest
    on_progress: OnProgress
    submitted: float
    started: float | None = None
    task: Img2Img | None = None
    rows: tuple[Row, ...] = ()
    posterior: Posterior | None = None
    opened: int = 0
    done: int = 0
    steps: int = 0
    previewed: float = float("-inf")
    batch_shape: str = ""
    pictures: dict[int, GeneratedImage] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all of its pictures are finished."""
        return len(self.pictures) == self.request.count

    @property
    def wants_slot(self) -> bool:
        """Whether there is a picture that was not begun."""
        return self.opened < self.request.count and not self.complete
