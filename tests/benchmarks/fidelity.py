"""What fast mode gives up: its pictures against those of strict mode.

`python -m tests.benchmarks.fidelity` makes the same pictures strictly and fast, and prints how
far they are apart. Nothing is downloaded: two models have random weights, and the embedded pocket
model repaints scikit-image's photograph of a cup of coffee. Takes about two minutes.

PSNR = 10 log₁₀(255² / mean squared difference), in dB over all pictures of a cell together; above
about 40 the difference cannot be seen. The other figure is the largest difference of a value.
"""

import argparse
import io
import math
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from inference.catalog import POCKET
from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.families.load import default_dtype, load_model
from inference.families.quiet import quiet
from inference.families.schedulers import scheduler_names
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from tests import tiny

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A way to run an engine. exact: see `EngineSettings`."""

    name: str
    strict: bool
    exact: bool

    def engine(self, folder: Path) -> Engine:
        """With the model in memory, as `load_engine` does it."""
        settings = EngineSettings.for_device(CPU, strict=self.strict)
        model = load_model(folder, CPU, default_dtype(CPU, exact=self.exact))
        return Engine(model, describe(folder), settings)


STRICT = Mode(name="strict", strict=True, exact=True)
FAST = (
    Mode(name="packed, fp32", strict=False, exact=True),
    Mode(name="packed, bf16", strict=False, exact=False),
)


@dataclass(frozen=True, kw_only=True)
class Distance:
    """How far pictures are apart. psnr: dB, infinite where they are equal; most: of 255."""

    psnr: float
    most: int

    @classmethod
    def between(cls, some: Sequence[bytes], others: Sequence[bytes]) -> "Distance":
        """Over all pictures together."""
        apart = np.stack([_pixels(a) - _pixels(b) for a, b in zip(some, others, strict=True)])
        error = float((apart.astype(np.float64) ** 2).mean())
        psnr = math.inf if error == 0 else 10 * math.log10(255**2 / error)
        return cls(psnr=psnr, most=int(np.abs(apart).max()))

    def __str__(self) -> str:
        if math.isinf(self.psnr):
            return "equal"
        return f"{self.psnr:.1f} dB, {self.most}"


def mixed(source: bytes, scheduler: str | None, *, guidance: float) -> list[GenerationRequest]:
    """Jobs that share forward passes in fast mode: other strengths, steps and seeds."""
    return [
        GenerationRequest(
            prompt=prompt,
            strength=strength,
            steps=steps,
            guidance=own,
            seed=seed,
            scheduler=scheduler,
            image=source,
        )
        for seed, (prompt, strength, steps, own) in enumerate(
            (
                ("a watercolor painting of a cup", 0.35, 20, guidance),
                ("a pencil drawing of a cup", 0.6, 20, guidance),
                ("a neon sign of a cup", 0.75, 12, 1.0),
                ("an oil painting of a cup", 1.0, 10, guidance),
            )
        )
    ]


def pictures(engine: Engine, requests: Sequence[GenerationRequest]) -> list[bytes]:
    """What it makes of them, all in flight together."""
    for number, request in enumerate(requests):
        engine.submit(number, request, _ignore)
    made: dict[int, bytes] = {}
    while engine.has_work:
        for outcome in engine.step():
            if not isinstance(outcome.result, GenerationResult):
                raise outcome.result
            made[outcome.job_id] = outcome.result.images[0].data
    return [made[number] for number in range(len(requests))]


def compare(
    folder: Path, source: bytes, schedulers: Sequence[str], *, guidance: float
) -> dict[str, list[Distance]]:
    """For each scheduler how far each of FAST is from strict mode."""
    jobs = {name: mixed(source, name, guidance=guidance) for name in schedulers}
    engine = STRICT.engine(folder)
    expected = {name: pictures(engine, requests) for name, requests in jobs.items()}
    found: dict[str, list[Distance]] = {name: [] for name in schedulers}
    for mode in FAST:
        engine = mode.engine(folder)
        for name, requests in jobs.items():
            found[name].append(Distance.between(pictures(engine, requests), expected[name]))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints one table, in Markdown."""
    names = scheduler_names(flow=False)
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fidelity")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--schedulers", nargs="+", choices=names, default=names)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", message="__array__ implementation")
    if default_dtype(CPU, exact=False) == torch.float32:
        print("This CPU does not multiply bf16 natively, so fast mode runs in fp32 here.\n")
    print("| model | scheduler |" + "".join(f" {mode.name} |" for mode in FAST))
    print("| --- | --- |" + " --- |" * len(FAST))
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            make = MODELS[model]
            with quiet():
                path, source, guidance = make(Path(folder) / model)
            table = compare(path, source, options.schedulers, guidance=guidance)
            for name, distances in table.items():
                print(f"| {model} | {name} |" + "".join(f" {each} |" for each in distances))
    return 0


def _sd(folder: Path) -> tuple[Path, bytes, float]:
    return tiny.sd(folder), _coffee(64), 5.0


def _sdxl(folder: Path) -> tuple[Path, bytes, float]:
    return tiny.sdxl(folder), _coffee(64), 5.0


def _pocket(_: Path) -> tuple[Path, bytes, float]:
    return POCKET, _coffee(256), describe(POCKET).default_guidance


MODELS = {"random SD": _sd, "random SDXL": _sdxl, "pocket": _pocket}
"""Each gives its folder, its source and a guidance that suits it."""


def _coffee(side: int) -> bytes:
    """The middle of the photograph."""
    import skimage

    picture = Image.open(Path(skimage.__file__).parent / "data" / "coffee.png").convert("RGB")
    left, height = (picture.width - picture.height) // 2, picture.height
    square = picture.crop((left, 0, left + height, height)).resize((side, side))
    buffer = io.BytesIO()
    square.save(buffer, "PNG")
    return buffer.getvalue()


def _pixels(data: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)


def _ignore(progress: Progress) -> None:
    """Only the pictures matter here."""


if __name__ == "__main__":
    raise SystemExit(main())
