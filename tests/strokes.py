"""A model of strokes within an engine for programs of the tests' own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from PIL import Image

from inference.engine.job import Outcome
from inference.engine.programs import ProgramEngine
from inference.engine.serial import SerialEngine
from inference.engine.settings import EngineSettings
from inference.errors import RequestError
from inference.families.serial import Step
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from inference.tasks.files import as_png, opened
from inference.tasks.programs import Product, Program, Round

INFO = ModelInfo(id="strokes", title="Strokes", location="/nowhere", pixel_budget=64 * 64)
OUTSIDE = ("loopback", "denoise")
"""Tasks that the tests put programs of their own in the place of."""


class Strokes:
    """A model that paints a stroke with each step, in a shade of the seed."""

    own_scheduler = "Brush"

    def __init__(self) -> None:
        self.strokes = 0
        self.asked: list[str] = []

    def prepare(self, request: GenerationRequest) -> None:
        if request.negative_prompt:
            raise RequestError("Strokes takes no negative prompt.")

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        return ("It has no guidance.",) if request.guidance != 1 else ()

    def run(
        self,
        request: GenerationRequest,
        index: int,
        source: Image.Image | None,
        size: tuple[int, int],
        step: Step,
    ) -> Image.Image:
        self.asked.append(request.prompt)
        for done in range(1, request.steps + 1):
            self.strokes += 1
            step(done, request.steps, partial(b"%d".__mod__, done))
        if request.prompt == "fail":
            raise ZeroDivisionError
        return Image.new("RGB", size, (request.seed_of(index), 0, 0))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass(kw_only=True)
class Stage:
    """The program engine, what is inside, and the programs that the two OUTSIDE tasks are."""

    model: Strokes = field(default_factory=Strokes)
    clock: Clock = field(default_factory=Clock)
    programs: dict[str, Callable[[GenerationRequest, ModelInfo], Program]] = field(
        default_factory=dict
    )

    def engine(self) -> ProgramEngine:
        facts = {"revision": "r1", "versions": {"torch": "2"}}
        settings = EngineSettings(preview_seconds=0)
        inner = SerialEngine(self.model, INFO, settings, clock=self.clock, **facts)  # type: ignore[arg-type]
        return ProgramEngine(inner, INFO, programs=self.programs, clock=self.clock, **facts)  # type: ignore[arg-type]


def ask(**changes: object) -> GenerationRequest:
    image = as_png(Image.new("RGB", (64, 64), "teal"))
    request = GenerationRequest(prompt="", steps=3, strength=1, guidance=1, image=image)
    return request.change(**changes)


def plain(request: GenerationRequest, **changes: object) -> GenerationRequest:
    return request.change(task="img2img", options=None, **changes)


def ignore(progress: Progress) -> None:
    pass


def finish(engine: ProgramEngine) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while engine.has_work:
        outcomes += engine.step()
    return outcomes


def good(outcome: Outcome) -> GenerationResult:
    assert isinstance(outcome.result, GenerationResult)
    return outcome.result


def two_rounds(request: GenerationRequest, info: ModelInfo) -> Program:
    """Two pictures beside each other, then one of the seed that they have together."""
    pair = [plain(request, seed=10), plain(request, seed=20)]
    results = yield Round(requests=pair, more=request.steps)
    shades = [opened(result.images[0].data).getpixel((0, 0))[0] for result in results]  # type: ignore[index]
    (last,) = yield Round(requests=[plain(request, seed=sum(shades))])
    return Product(images=last.images, notes=("Two became one.",))
