"""From a catalogue entry to an engine with its model in memory."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from inference.engine.engine import Engine
from inference.engine.settings import EngineSettings
from inference.errors import ModelError
from inference.families.load import default_dtype, find_device, load_model
from inference.families.schedulers import check_scheduler
from inference.model_info import ModelInfo, describe, revision

_LIBRARIES = ("torch", "diffusers", "transformers")


def load_engine(
    info: ModelInfo, device: str = "auto", settings: EngineSettings | None = None
) -> Engine:
    """Loads a model onto a device (`auto`, `cpu`, `cuda`, `cuda:N`); takes seconds to minutes.

    A hub repository that is not here yet is downloaded.

    Raises ModelError that names the file or part at fault, RequestError for a default scheduler
    that does not exist.
    """
    target = find_device(device)
    folder = info.folder
    if folder is None:
        folder = _download(info.location)
        info = replace(describe(folder), id=info.id, title=info.title, location=info.location)
    check_scheduler(info.default_scheduler)
    settings = settings or EngineSettings.for_device(target)
    return Engine(
        load_model(folder, target, default_dtype(target, exact=settings.exact)),
        info,
        settings,
        revision=revision(info.location),
        versions={name: version(name) for name in _LIBRARIES},
    )


def _download(repository: str) -> Path:
    """The parts of a hub repository that a diffusers folder has; not its single-file weights."""
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                repository,
                allow_patterns=["*.json", "*/*.txt", "*/*.safetensors"],
                ignore_patterns=["*.fp16.safetensors", "*.non_ema.safetensors"],
            )
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"{repository} cannot be downloaded from the hub: {first}") from error
