"""`make gallery`: every task by the embedded models, as small pictures of before and after.

`python -m tests.gallery --out docs/gallery` writes one picture for each task. With `--sheets DIR`
each task is also tried on three photographs and three drawings, a sheet for each task.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from inference.catalog import Catalog
from inference.engine.factory import load_engine
from inference.engine.programs import ProgramEngine
from inference.options import (
    Blend,
    Denoise,
    Inpaint,
    Loopback,
    Outpaint,
    Style,
    TaskOptions,
    Upscale,
    Variations,
)
from inference.request import LADDER, GenerationRequest
from inference.result import GenerationResult, Progress
from inference.tasks.files import as_png, opened
from inference.training.rendering import mask, render
from inference.training.sketch_pairs import drawn_pair
from inference.training.world import HELD_OUT, scene

SIDE = 256
SHOWN = 192
GAP = 4
PHOTOGRAPHS = ("coffee", "chelsea", "astronaut")
"""scikit-image's, none of which the embedded models were trained on."""
DRAWINGS = (HELD_OUT + 3, HELD_OUT + 8, HELD_OUT + 21)
"""Scenes of the world's that are not trained on either, drawn with a pen."""
SCENE, OTHER = HELD_OUT + 60, HELD_OUT + 104
"""In daylight, which shows more than the night."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What pictures are made of, all SIDE × SIDE. other: a second picture for tasks with two.
    look: the same, drawn."""

    photographs: tuple[Image.Image, ...]
    drawings: tuple[Image.Image, ...]
    scene: Image.Image
    other: Image.Image
    look: Image.Image
    hole: Image.Image


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One task as it is shown.

    source: which picture is shown in the gallery. spoil: what is done to it first.
    second: the second picture. values: of the request.
    """

    name: str
    prompt: str = ""
    task: str = "img2img"
    options: TaskOptions | None = None
    source: Callable[[Sources], Image.Image] | None = None
    second: Callable[[Sources], Image.Image] | None = None
    spoil: Callable[[Image.Image], Image.Image] = field(default=lambda picture: picture)
    values: dict[str, object] = field(default_factory=dict)


def _scene(sources: Sources) -> Image.Image:
    return sources.scene


def _photograph(sources: Sources) -> Image.Image:
    return sources.photographs[0]


def _drawing(sources: Sources) -> Image.Image:
    return sources.drawings[0]


def _grey(picture: Image.Image) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _grainy(picture: Image.Image) -> Image.Image:
    grain = Image.effect_noise(picture.size, 50)
    return Image.blend(picture, grain.convert("RGB"), 0.3)


def _small(picture: Image.Image) -> Image.Image:
    return picture.resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX)


ENTRIES = (
    Entry(name="reimagine", prompt="a watercolor painting of a church", source=_scene),
    Entry(
        name="imagine",
        prompt="a watercolor painting of a castle by a lake at sunset",
        values={"count": 4},
    ),
    Entry(name="sketch", task="sketch", source=_drawing),
    Entry(
        name="sketch-words",
        prompt="a watercolor painting of a castle",
        task="sketch",
        source=_drawing,
    ),
    Entry(name="edit", prompt="make it a watercolour painting", task="edit", source=_scene),
    Entry(name="colorize", task="colorize", source=_photograph, spoil=_grey),
    Entry(
        name="ladder",
        prompt="an oil painting of a church",
        source=_scene,
        values={"strengths": LADDER},
    ),
    Entry(
        name="loopback",
        prompt="an oil painting of a church",
        task="loopback",
        options=Loopback(times=4),
        source=_scene,
        values={"strength": 0.5},
    ),
    Entry(
        name="variations",
        prompt="a watercolor painting of a church",
        task="variations",
        options=Variations(spread=0.25),
        source=_scene,
        values={"strength": 0.7, "count": 4},
    ),
    Entry(
        name="inpaint",
        prompt="a photo of hills and water in summer",
        task="inpaint",
        options=Inpaint(content="fill"),
        source=_scene,
        second=lambda sources: sources.hole,
        values={"strength": 0.9},
    ),
    Entry(
        name="outpaint",
        prompt="a photo of a church in summer",
        task="outpaint",
        options=Outpaint(left=0.25, right=0.25),
        source=_scene,
        values={"strength": 0.95},
    ),
    Entry(
        name="blend",
        prompt="an oil painting of a church",
        task="blend",
        options=Blend(),
        source=_scene,
        second=lambda sources: sources.other,
        values={"strength": 0.5},
    ),
    Entry(
        name="style",
        task="style",
        options=Style(scale=1.0),
        source=_photograph,
        second=lambda sources: sources.look,
    ),
    Entry(name="denoise", task="denoise", options=Denoise(), source=_photograph, spoil=_grainy),
    Entry(name="upscale", task="upscale", options=Upscale(), source=_photograph, spoil=_small),
)


class Painter:
    """Makes pictures by the embedded models, each loaded once."""

    def __init__(self) -> None:
        self._catalog = Catalog()
        self._engines: dict[str, ProgramEngine] = {}

    def paint(
        self, entry: Entry, source: Image.Image | None, sources: Sources
    ) -> list[Image.Image]:
        """The source, the second picture and the results, as far as there are such."""
        model = self._catalog.made_for(entry.task, steered=bool(entry.prompt)) or "pocket"
        if entry.task == "edit":
            model = self._catalog.editor() or model
        info = self._catalog.find(model)
        second = None if entry.second is None else entry.second(sources)
        spoilt = None if source is None else entry.spoil(source)
        values: dict[str, object] = {
            "steps": info.default_steps,
            "guidance": info.default_guidance,
            "seed": 1,
            **({"strength": 1.0} if source is None else {}),
            **entry.values,
        }
        request = GenerationRequest(
            prompt=entry.prompt,
            task=entry.task,
            options=entry.options,
            image=None if spoilt is None else as_png(spoilt),
            second=None if second is None else as_png(second),
            **values,  # type: ignore[arg-type]  (of the kinds that a request has)
        )
        made = [opened(image.data).convert("RGB") for image in self._run(model, request).images]
        return [picture for picture in (spoilt, second) if picture is not None] + made

    def _run(self, model: str, request: GenerationRequest) -> GenerationResult:
        if model not in self._engines:
            self._engines[model] = load_engine(self._catalog.find(model), "cpu")
        engine = self._engines[model]
        engine.submit(0, request, _ignore)
        while not (outcomes := engine.step()):
            pass
        result = outcomes[0].result
        if isinstance(result, Exception):
            raise result
        return result


def load_sources() -> Sources:
    """The pictures. Needs scikit-image for its photographs."""
    import skimage.data

    photographs = tuple(
        _square(Image.fromarray(getattr(skimage.data, name)()).convert("RGB"))
        for name in PHOTOGRAPHS
    )
    size = (SIDE, SIDE)
    return Sources(
        photographs=photographs,
        drawings=tuple(
            Image.fromarray(drawn_pair(seed, "pen", size, np.random.default_rng(seed))[0])
            for seed in DRAWINGS
        ),
        scene=render(scene(SCENE), "photo", size),
        other=render(scene(OTHER), "photo", size),
        look=render(scene(OTHER), "blueprint", size),
        hole=mask(scene(SCENE), "subject", size),
    )


def row(pictures: Sequence[Image.Image]) -> Image.Image:
    """Beside each other, all SHOWN high."""
    scaled = [
        picture.convert("RGB").resize(
            (max(1, round(picture.width * SHOWN / picture.height)), SHOWN),
            Image.Resampling.LANCZOS,
        )
        for picture in pictures
    ]
    width = sum(picture.width for picture in scaled) + GAP * (len(scaled) - 1)
    sheet = Image.new("RGB", (width, SHOWN), "white")
    left = 0
    for picture in scaled:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    return sheet


def column(rows: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Rows under each other, each under its label."""
    height = sum(picture.height + 16 for _, picture in rows)
    sheet = Image.new("RGB", (max(picture.width for _, picture in rows), height), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for label, picture in rows:
        pen.text((2, top + 2), label, fill="black")
        sheet.paste(picture, (0, top + 16))
        top += picture.height + 16
    return sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pictures and says where."""
    parser = argparse.ArgumentParser(prog="python -m tests.gallery")
    parser.add_argument("--out", type=Path, help="one small picture for each task")
    parser.add_argument("--sheets", type=Path, help="each task on six pictures")
    parser.add_argument("--tasks", nargs="+", default=[entry.name for entry in ENTRIES])
    options = parser.parse_args(arguments)
    painter, sources = Painter(), load_sources()
    for entry in ENTRIES:
        if entry.name not in options.tasks:
            continue
        if options.out is not None:
            source = None if entry.source is None else entry.source(sources)
            _write(options.out / f"{entry.name}.jpg", row(painter.paint(entry, source, sources)))
        if options.sheets is not None and entry.source is not None:
            rows = [
                (f"{entry.name}: {entry.prompt}", row(painter.paint(entry, source, sources)))
                for source in (*sources.photographs, *sources.drawings)
            ]
            _write(options.sheets / f"{entry.name}.png", column(rows))
    return 0


def _write(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=85)
    print(path)


def _square(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize(
        (SIDE, SIDE), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )


def _ignore(progress: Progress) -> None:
    """Only the pictures matter here."""


if __name__ == "__main__":
    sys.exit(main())
