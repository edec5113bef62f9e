"""`python -m inference batch`: a file of requests together through the engine."""

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm

from inference.catalog import POCKET, Catalog
from inference.cli_files import models_folder, write_pictures
from inference.cli_jobs import JobsFile
from inference.errors import RequestError
from inference.request import GenerationRequest, Recipe
from inference.result import Progress

if TYPE_CHECKING:
    from inference.engine.job import Outcome
    from inference.engine.programs import ProgramEngine


def batch(arguments: argparse.Namespace) -> int:
    """Runs all requests; how many of them failed.

    Each has its line in `results.jsonl`, written when it ends. Raises InferenceError or OSError
    for what concerns them all.
    """
    model = arguments.model or POCKET.name
    catalog = Catalog(models_folder(), default=model)
    info = catalog.find(model).with_vae(arguments.vae)
    jobs = JobsFile(arguments.jobs)
    requests: dict[str, GenerationRequest] = {}
    refused: dict[str, RequestError] = {}
    for line in jobs.lines:
        try:
            requests[line.id] = jobs.request(line, info, catalog.shelf)
        except RequestError as error:
            refused[line.id] = error

    # Only now: a wrong file should be told before torch is loaded.
    from inference.engine.factory import load_engine
    from inference.engine.settings import EngineSettings
    from inference.families.load import find_device

    device = find_device(arguments.device)
    settings = EngineSettings.for_device(device, strict=not arguments.fast)
    if arguments.compile is not None:
        settings = settings.compiling(arguments.compile)
    engine = load_engine(info, str(device), settings, shelf=catalog.shelf)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "results.jsonl").open("w", encoding="utf-8") as file:
        results = _Results(arguments.out, file)
        for name, reason in refused.items():
            results.refuse(name, reason)
        _run(engine, requests, results)
    return results.failed


def _run(
    engine: "ProgramEngine", requests: dict[str, GenerationRequest], results: "_Results"
) -> None:
    _warm(engine, requests)
    names = list(requests)
    results.begin()
    for number, name in enumerate(names):
        try:
            engine.submit(number, requests[name], _ignore)
        except RequestError as error:
            results.refuse(name, error)
    with tqdm(total=len(names), unit="job", file=sys.stderr, leave=False) as bar:
        while engine.has_work:
            for outcome in engine.step():
                name = names[outcome.job_id]
                results.add(name, requests[name].recipe, outcome)
                bar.update()


def _warm(engine: "ProgramEngine", requests: dict[str, GenerationRequest]) -> None:
    """One step of each size, so that no job pays for what a process does only once."""
    sizes = {(r.width, r.height): r for r in requests.values() if r.strength > 0}
    for number, request in enumerate(sizes.values()):
        with contextlib.suppress(RequestError):  # its own line says so
            engine.submit(number, request.change(prompt="", steps=1, strength=1, count=1), _ignore)
    while engine.has_work:
        engine.step()


def _ignore(progress: Progress) -> None:
    """A batch shows how many of its jobs are done, not how far each is."""


class _Results:
    """Pictures and `results.jsonl`. Seconds count from `begin`."""

    def __init__(self, folder: Path, file: TextIO) -> None:
        self._folder = folder
        self._file = file
        self._zero = 0.0
        self.failed = 0

    def begin(self) -> None:
        self._zero = time.monotonic()

    def refuse(self, name: str, error: Exception) -> None:
        self.failed += 1
        self._write({"id": name, "error": str(error)})

    def add(self, name: str, recipe: Recipe, outcome: "Outcome") -> None:
        result = outcome.result
        if isinstance(result, Exception):
            self.refuse(name, result)
            return
        paths = write_pictures(self._folder / name, recipe, result)
        first = result.images[0]
        started = outcome.submitted if outcome.started is None else outcome.started
        self._write(
            {
                "id": name,
                "paths": [str(path) for path in paths],
                "seed": first.seed,
                "width": first.width,
                "height": first.height,
                "steps_run": result.steps_run,
                "submitted": round(outcome.submitted - self._zero, 4),
                "started": round(started - self._zero, 4),
                "finished": round(outcome.finished - self._zero, 4),
            }
        )

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
