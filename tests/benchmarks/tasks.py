"""Every task at once: what requests of all tasks gain by sharing forward passes.

`python -m tests.benchmarks.tasks` runs one mixed list of requests on the embedded pocket model,
one request after the other and all in flight together, strictly and fast. The ways take turns, in
another order in every round, and the table has the medians of the rounds. Nothing is downloaded;
the sources are scikit-image's photographs. Takes about a minute and a half a round on one CPU core.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from inference.catalog import POCKET
from inference.engine.engine import Engine
from inference.engine.programs import ProgramEngine
from inference.engine.settings import EngineSettings
from inference.families.composer import load_composer
from inference.families.load import default_dtype, load_model
from inference.model_info import ModelInfo, describe
from inference.options import Blend, Inpaint, Loopback, Outpaint, Upscale, Variations
from inference.request import LADDER, GenerationRequest
from inference.result import GenerationResult, Progress
from inference.tasks.files import as_png

CPU = torch.device("cpu")
SIDE = 256
STEPS = 12


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way through the list, once.

    seconds: of the clock. busy: of the processor, all threads together, which other work on the
    machine changes less. tasks: of the clock, for each request where they ran alone.
    """

    calls: int
    images: int
    seconds: float
    busy: float
    tasks: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How the list is run. together: all in flight, else one after the other."""

    strict: bool
    together: bool

    @property
    def name(self) -> str:
        """As the table has it."""
        mode = "strict" if self.strict else "fast"
        return f"{mode}, {'together' if self.together else 'one at a time'}"


WAYS = tuple(Way(strict=mode, together=both) for mode in (True, False) for both in (False, True))


def requests(guidance: float) -> dict[str, GenerationRequest]:
    """One of each task, as members would ask for it, by its name."""
    coffee, cat = _photograph("coffee"), _photograph("chelsea")
    shared = {"prompt": "a red cup", "steps": STEPS, "guidance": guidance, "image": coffee}

    def ask(**values: object) -> GenerationRequest:
        return GenerationRequest(**{**shared, "seed": len(asked), **values})  # type: ignore[arg-type]

    asked: dict[str, GenerationRequest] = {}
    asked["img2img"] = ask(strength=0.6)
    asked["two pictures"] = ask(strength=0.75, count=2)
    asked["sketch"] = ask(task="sketch", strength=0.8, image=_drawing())
    asked["colorize"] = ask(task="colorize", strength=0.7)
    asked["ladder"] = ask(strengths=LADDER)
    asked["imagine"] = ask(image=None, strength=1.0)
    asked["loopback"] = ask(task="loopback", options=Loopback(times=3))
    asked["variations"] = ask(task="variations", options=Variations(), strength=0.6, count=4)
    asked["inpaint"] = ask(task="inpaint", options=Inpaint(), strength=0.9, second=_mask())
    asked["outpaint"] = ask(task="outpaint", options=Outpaint(right=0.25), strength=0.95)
    asked["blend"] = ask(task="blend", options=Blend(), strength=0.5, second=cat)
    asked["upscale"] = ask(task="upscale", options=Upscale(factor=2, creativity=0.5), image=cat)
    return asked


class Bench:
    """The pocket model in memory, once as strict mode has it and once as fast mode has it."""

    def __init__(self) -> None:
        self._info: ModelInfo = describe(POCKET)
        assert self._info.composer is not None
        self._compose = load_composer(Path(self._info.composer), POCKET).compose
        self._models = {
            strict: load_model(POCKET, CPU, default_dtype(CPU, exact=strict), info=self._info)
            for strict in (True, False)
        }
        self.asked = requests(self._info.default_guidance)

    def warm(self, way: Way) -> None:
        """Runs one request, so that no way pays for what is made once."""
        _finish(self._engine(way)[0], [self.asked["img2img"]])

    def run(self, way: Way) -> Run:
        """The whole list, through an engine that has seen nothing of it."""
        engine, inner = self._engine(way)
        names = list(self.asked)
        lots = [names] if way.together else [[name] for name in names]
        began, busy = time.perf_counter(), time.process_time()
        images, tasks = 0, {}
        for lot in lots:
            start = time.perf_counter()
            images += _finish(engine, [self.asked[name] for name in lot])
            tasks[lot[0]] = time.perf_counter() - start
        return Run(
            calls=inner.calls,
            images=images,
            seconds=time.perf_counter() - began,
            busy=time.process_time() - busy,
            tasks={} if way.together else tasks,
        )

    def _engine(self, way: Way) -> tuple[ProgramEngine, Engine]:
        settings = EngineSettings.for_device(CPU, strict=way.strict)
        inner = Engine(self._models[way.strict], self._info, settings)
        return ProgramEngine(inner, self._info, compose=self._compose), inner


def _finish(engine: ProgramEngine, requests: Sequence[GenerationRequest]) -> int:
    """Runs them all in flight at once. Gives how many pictures came of it."""
    for number, request in enumerate(requests):
        engine.submit(number, request, _ignore)
    images = 0
    while engine.has_work:
        for outcome in engine.step():
            if not isinstance(outcome.result, GenerationResult):
                raise outcome.result
            images += len(outcome.result.images)
    return images


def table(runs: dict[Way, list[Run]]) -> list[str]:
    """A line for each way, in Markdown: of its rounds the medians, and the range of seconds."""
    lines = [
        "| | UNet calls | pictures | processor seconds | seconds | pictures/s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way, rounds in runs.items():
        seconds = [run.seconds for run in rounds]
        middle, images = statistics.median(seconds), rounds[0].images
        calls = statistics.median(run.calls for run in rounds)
        busy = statistics.median(run.busy for run in rounds)
        lines.append(
            f"| {way.name} | {calls:.0f} | {images} | {busy:.1f} | {middle:.1f} "
            f"({min(seconds):.1f} to {max(seconds):.1f}) | {images / middle:.2f} |"
        )
    return lines


def by_task(runs: dict[Way, list[Run]]) -> list[str]:
    """Seconds that each request takes alone, medians of the rounds."""
    alone = {way: rounds for way, rounds in runs.items() if not way.together}
    lines = ["| alone, seconds |" + "".join(f" {way.name} |" for way in alone)]
    lines.append("| --- |" + " --- |" * len(alone))
    for name in next(iter(alone.values()))[0].tasks:
        cells = (statistics.median(run.tasks[name] for run in rounds) for rounds in alone.values())
        lines.append(f"| {name} |" + "".join(f" {cell:.2f} |" for cell in cells))
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints two tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tasks")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    bench, order = Bench(), random.Random(0)
    runs: dict[Way, list[Run]] = {way: [] for way in WAYS}
    for way in WAYS:
        bench.warm(way)
    for _ in range(options.rounds):
        for way in order.sample(WAYS, len(WAYS)):
            runs[way].append(bench.run(way))
    print("\n".join([*table(runs), "", *by_task(runs)]))
    return 0


def _photograph(name: str) -> bytes:
    """The middle of one of scikit-image's."""
    import skimage

    picture = Image.open(Path(skimage.__file__).parent / "data" / f"{name}.png").convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    return as_png(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _drawing() -> bytes:
    picture = Image.new("RGB", (SIDE, SIDE), (236, 228, 210))
    pen = ImageDraw.Draw(picture)
    pen.line([(50, 210), (50, 120), (128, 60), (206, 120), (206, 210), (50, 210)], (60, 60, 70), 4)
    return as_png(picture)


def _mask() -> bytes:
    picture = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(picture).ellipse((80, 80, 180, 180), fill=255)
    return as_png(picture)


def _ignore(progress: Progress) -> None:
    """Only the pictures are counted."""


if __name__ == "__main__":
    raise SystemExit(main())
