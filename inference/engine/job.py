"""One request in the engine, from its admission to its result."""

from collections.abc import Callable
from dataclasses import dataclass, field

from inference.engine.costs import Pass, Size
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """The forward passes that a picture is made by. rows: of each, padding included."""

    rows: int
    sliced: bool


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """A request and how far it is.

    number: it rises in the order that jobs come.
    task, size, sees_hole: set when it is taken in; the last is the model's. rows, posterior, kept:
        when its first picture is admitted; posterior is None where nothing of the source is
        painted over, kept where the model sees no hole.
    opened: pictures that were admitted. lengths: steps that each of them runs, by index.
        pictures: the finished ones by index. error: what ended it.
    decoded: pictures that are finished, or being written.
    life: how often it was begun, less one. forward, encode_tile, decode_tile: how its pictures
        are made; see `Way`. They differ from the way of its size where that changed since.
    told: steps that were done when its progress was told last. previewed: when the last preview
        was made.
    passed: ticks in which it waited for memory while others went on.
    """

    id: int
    number: int
    request: GenerationRequest
    on_progress: OnProgress
    submitted: float
    started: float | None = None
    task: Img2Img | None = None
    size: Size = (0, 0, 0)
    rows: tuple[Row, ...] = ()
    sees_hole: bool = False
    posterior: Posterior | None = None
    kept: Posterior | None = None
    opened: int = 0
    done: int = 0
    decoded: int = 0
    lengths: dict[int, int] = field(default_factory=dict)
    life: int = 0
    forward: Forward | None = None
    encode_tile: int | None = None
    decode_tile: int | None = None
    told: int = 0
    previewed: float = float("-inf")
    passed: int = 0
    pictures: dict[int, GeneratedImage] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.error is not None or len(self.pictures) == self.request.count

    @property
    def wants_slot(self) -> bool:
        """Whether there is a picture that was not admitted."""
        return self.opened < self.request.count and not self.over

    @property
    def paints_over(self) -> bool:
        """Whether any of its pictures begins with something of a source, or gets it put back."""
        put_back = self.request.mask is not None and not self.sees_hole
        return put_back or self.request.single(0).strength < 1

    @property
    def encodes(self) -> bool:
        """Whether something must go through the autoencoder before the first step."""
        return self.paints_over or self.sees_hole

    @property
    def steps(self) -> int:
        """Those that all of its pictures together run; what is not open yet is estimated."""
        more = self.lengths.get(0, 0) - self.request.single(0).steps_run  # see docs/models.md
        return sum(
            self.lengths.get(index) or self.request.single(index).steps_run + more
            for index in range(self.request.count)
        )

    @property
    def use(self) -> Pass:
        """What the forward passes of its steps are."""
        steered = self.task is not None and self.task.control is not None
        return Pass.STEER if steered else Pass.DENOISE

    @property
    def each(self) -> int:
        """Rows of each of its pictures; before they are known, at most."""
        return len(self.rows) or (2 if self.request.guidance > 1 else 1)

    @property
    def batch_shape(self) -> str:
        """How its pictures were made, as far as their bits depend on it."""
        if self.forward is None:
            return ""
        words = ["x".join(map(str, (self.forward.rows, *self.size)))]
        words += ["sliced"] if self.forward.sliced else []
        words += [f"encoded by {self.encode_tile}"] if self.encode_tile else []
        words += [f"decoded by {self.decode_tile}"] if self.decode_tile else []
        return ", ".join(words)

    def fail(self, error: Exception) -> None:
        """Ends it; what struck it first counts."""
        self.error = self.error or error

    def start_over(self) -> None:
        """Makes all of its pictures anew: with their seeds they come out as if never begun."""
        self.life += 1
        self.opened = self.done = self.told = self.decoded = 0
        self.forward = self.decode_tile = None
        self.pictures.clear()
