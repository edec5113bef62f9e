"""`python -m inference generate`: one request, with a progress bar."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from inference.catalog import POCKET, Catalog
from inference.cli_files import models_folder, read_source, write_pictures
from inference.cli_request import FIELDS, STEERING, TASK_FIELDS, make_recipe
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from inference.shelf import Shelf

if TYPE_CHECKING:
    from inference.engine.programs import ProgramEngine


def generate(arguments: argparse.Namespace) -> None:
    """Runs the request and writes its pictures. Raises InferenceError or OSError."""
    catalog = Catalog(models_folder(), default=arguments.model or POCKET.name)
    steered = any(getattr(arguments, name) not in (None, "") for name in STEERING)
    made_for = catalog.made_for(arguments.task, steered=steered)
    info = catalog.find(arguments.model or made_for or POCKET.name).with_vae(arguments.vae)
    request = _request(arguments, info, catalog.shelf)
    # Only now: a wrong request should be told before torch is loaded.
    from inference.engine.factory import load_engine

    engine = load_engine(info, arguments.device, shelf=catalog.shelf)
    result = _run(engine, request)
    paths = write_pictures(arguments.out, request.recipe, result)
    for path, image in zip(paths, result.images, strict=True):
        line: dict[str, Any] = {
            "path": str(path),
            "seed": image.seed,
            "width": image.width,
            "height": image.height,
            "steps_run": result.steps_run,
            "seconds": round(result.seconds, 3),
        }
        if result.notes:
            line["notes"] = list(result.notes)
        print(json.dumps(line) if arguments.json else path)


def _request(arguments: argparse.Namespace, info: ModelInfo, shelf: Shelf) -> GenerationRequest:
    given = {name: getattr(arguments, name) for name in (*FIELDS, *TASK_FIELDS)}
    recipe = make_recipe(given, info, shelf)
    image, second = (
        None if path is None else read_source(path) for path in (arguments.image, arguments.second)
    )
    return recipe.with_picture(image, second)


def _run(engine: "ProgramEngine", request: GenerationRequest) -> GenerationResult:
    with tqdm(unit="step", file=sys.stderr, leave=False) as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.steps
            bar.n = progress.step
            bar.refresh()  # `update` shows nothing within its first tenth of a second

        engine.submit(0, request, show)
        while not (outcomes := engine.step()):
            pass
    result = outcomes[0].result
    if isinstance(result, Exception):
        raise result
    return result
