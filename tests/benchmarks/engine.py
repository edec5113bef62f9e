"""The engine against diffusers one job at a time, on one seeded backlog of mixed jobs.

`python -m tests.benchmarks.engine [--jobs N] [--side PIXELS] [--rounds N] [--channels A,B,C]`
builds a model with random weights, so it needs no network. The arms take turns round by round, so
that whatever else the machine does strikes them alike; each is warmed up first.
"""

import argparse
import io
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from inference.engine.factory import load_engine
from inference.engine.settings import EngineSettings
from inference.families.load import find_device
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import Progress
from tests import tiny


@dataclass(kw_only=True)
class Arm:
    """One way to run a backlog. run: gives the pictures' latencies in seconds.

    calls: forward passes of the denoiser so far.
    """

    name: str
    run: Callable[[list[GenerationRequest]], list[float]]
    calls: Callable[[], int]
    seconds: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)


def backlog(jobs: int, side: int, seed: int) -> list[GenerationRequest]:
    """Mixed jobs: strengths 0.3 to 0.9, 20 or 30 steps, most of them with guidance."""
    numbers = random.Random(seed)
    buffer = io.BytesIO()
    Image.effect_noise((side, side), 80).convert("RGB").save(buffer, "PNG")
    return [
        GenerationRequest(
            prompt=f"a lighthouse, style {numbers.randrange(6)}",
            strength=round(numbers.uniform(0.3, 0.9), 2),
            steps=numbers.choice([20, 30]),
            guidance=numbers.choice([1.0, 4.0, 5.0, 7.5]),
            seed=numbers.randrange(2**32),
            width=side,
            height=side,
            image=buffer.getvalue(),
        )
        for _ in range(jobs)
    ]


def diffusers_arm(folder: Path, device: torch.device) -> Arm:
    """diffusers' own pipeline, one job after the other."""
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe: Any = StableDiffusionImg2ImgPipeline.from_pretrained(folder)
    pipe.to(device).set_progress_bar_config(disable=True)
    calls = [0]

    def count(*_: object) -> None:
        calls[0] += 1

    pipe.unet.register_forward_hook(count)

    def run(requests: list[GenerationRequest]) -> list[float]:
        begun = time.perf_counter()
        latencies = []
        for request in requests:
            assert request.image is not None
            picture = pipe(
                prompt=request.prompt,
                image=Image.open(io.BytesIO(request.image)),
                strength=request.strength,
                num_inference_steps=request.steps,
                guidance_scale=request.guidance,
                generator=torch.Generator().manual_seed(request.seed),
            ).images[0]
            picture.save(io.BytesIO(), "PNG")
            latencies.append(time.perf_counter() - begun)
        return latencies

    return Arm(name="(a) diffusers, one at a time", run=run, calls=lambda: calls[0])


def engine_arm(name: str, folder: Path, device: torch.device, settings: EngineSettings) -> Arm:
    """This engine, all jobs submitted at once."""
    engine = load_engine(describe(folder), str(device), settings)

    def ignore(progress: Progress) -> None:
        pass

    def run(requests: list[GenerationRequest]) -> list[float]:
        begun = time.perf_counter()
        for number, request in enumerate(requests):
            engine.submit(number, request, ignore)
        latencies = []
        while engine.has_work:
            for outcome in engine.step():
                if isinstance(outcome.result, Exception):
                    raise outcome.result
                latencies.append(time.perf_counter() - begun)
        return latencies

    return Arm(name=name, run=run, calls=lambda: engine.calls)


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engine")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--channels", default="64,128,192", help="of the unet's levels")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="__array__ implementation")
    device = find_device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        channels = tuple(map(int, options.channels.split(",")))
        model = tiny.sd(Path(folder) / "model", channels=channels)
        arms = [
            diffusers_arm(model, device),
            engine_arm(
                "(d) engine, fast", model, device, EngineSettings.for_device(device, strict=False)
            ),
            engine_arm("(e) engine, strict", model, device, EngineSettings.for_device(device)),
        ]
        _measure(arms, options.jobs, options.side, options.rounds)
    _print(arms, options)


def _measure(arms: list[Arm], jobs: int, side: int, rounds: int) -> None:
    for arm in arms:
        arm.run(backlog(2, side, seed=99))
    start = {arm.name: arm.calls() for arm in arms}
    for number in range(rounds):
        requests = backlog(jobs, side, seed=number)
        for arm in arms if number % 2 == 0 else reversed(arms):
            begun = time.perf_counter()
            arm.latencies += arm.run(requests)
            arm.seconds.append(time.perf_counter() - begun)
    for arm in arms:
        counted = arm.calls() - start[arm.name]
        arm.calls = lambda counted=counted: counted  # type: ignore[misc]


def _print(arms: list[Arm], options: argparse.Namespace) -> None:
    pictures = options.jobs * options.rounds
    print(
        f"{pictures} pictures of {options.side}² in {options.rounds} backlogs; "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    print(f"{'':30}{'images/s':>9}{'of (a)':>8}{'calls':>7}{'of (a)':>8}{'p50 s':>7}{'p95 s':>7}")
    first = arms[0]
    for arm in arms:
        speed, calls = pictures / sum(arm.seconds), arm.calls()
        faster = statistics.median(a / b for a, b in zip(first.seconds, arm.seconds, strict=True))
        print(
            f"{arm.name:30}{speed:9.2f}{faster:8.2f}{calls:7}{calls / first.calls():8.2f}"
            f"{np.percentile(arm.latencies, 50):7.2f}{np.percentile(arm.latencies, 95):7.2f}"
        )


if __name__ == "__main__":
    main()
