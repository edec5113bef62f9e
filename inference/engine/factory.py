"""From a catalogue entry to an engine with its model in memory."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inference.engine.engine import Engine
from inference.engine.preview import Preview
from inference.engine.programs import ProgramEngine
from inference.engine.serial import SerialEngine
from inference.engine.settings import EngineSettings
from inference.errors import ModelError
from inference.executors.cores import use_allowed_cores
from inference.families.codecs import load_preview
from inference.families.composer import load_composer
from inference.families.details import load_details
from inference.families.folder import ModelFolder, unneeded_variants
from inference.families.latents import LatentCodec
from inference.families.load import STEPWISE, default_dtype, find_device, load_model
from inference.families.pipeline_load import load_pipeline
from inference.families.pix2pix import PIPELINE as PIX2PIX
from inference.families.schedulers import check_scheduler
from inference.families.serial import SerialModel
from inference.families.translation import load_pix2pix
from inference.families.weights import first_line
from inference.model_info import ModelInfo, describe, revision
from inference.shelf import Shelf

_LIBRARIES = ("torch", "diffusers", "transformers")


def load_engine(
    info: ModelInfo,
    device: str = "auto",
    settings: EngineSettings | None = None,
    *,
    shelf: Shelf | None = None,
) -> ProgramEngine:
    """Loads a model onto a device (`auto`, `cpu`, `cuda`, `cuda:N`); takes seconds to minutes.

    Its folder says which engine that is: the one that shares steps where the model allows it. A
    hub repository that is not here yet, or not all of it, is downloaded.

    shelf: the LoRAs and embeddings that requests may name; by default those of `info.adapters`.

    Raises ModelError that names the file or part at fault, RequestError for a default scheduler
    that does not exist.
    """
    target = find_device(device)
    folder = info.folder
    if folder is None:
        return _load(*_fetched(info), target, settings, shelf)
    try:
        return _load(info, folder, target, settings, shelf)
    except ModelError as error:
        if Path(info.location).is_absolute():
            raise
        try:  # a download that broke off left some of it
            fetched = _fetched(info, commit=folder.name)
        except ModelError as why:
            raise ModelError(f"{error} {why}") from error
        return _load(*fetched, target, settings, shelf)


def _fetched(info: ModelInfo, commit: str | None = None) -> tuple[ModelInfo, Path]:
    """What is known of a repository when it is downloaded, and where it lies.

    commit: what is completed; None is the newest.
    """
    folder = _download(info.location, commit)
    found = describe(folder)
    known = replace(
        found,
        id=info.id,
        title=info.title,
        location=info.location,
        vae=info.vae or found.vae,
        adapters=info.adapters,
    )
    return known, folder


def _load(
    info: ModelInfo,
    folder: Path,
    target: torch.device,
    settings: EngineSettings | None,
    shelf: Shelf | None,
) -> ProgramEngine:
    check_scheduler(info.default_scheduler)
    use_allowed_cores()
    settings = settings or EngineSettings.for_device(target)
    control = None if info.control is None else info.control.folder
    parts = info.vae, control, info.image_adapter, info.painter, info.composer, info.details
    facts: dict[str, Any] = {
        "revision": revision(info.location, *parts),
        "versions": {name: version(name) for name in _LIBRARIES},
    }
    if ModelFolder(folder).pipeline not in STEPWISE:
        finisher = None if info.details is None else load_details(Path(info.details))
        model = _serial(folder, info, target)
        serial = SerialEngine(model, info, settings, finisher=finisher, **facts)
        return ProgramEngine(serial, info, **facts)
    dtype = default_dtype(target, exact=settings.exact)
    vae = None if info.vae is None else Path(info.vae)
    if shelf is None and info.adapters is not None:
        shelf = Shelf(Path(info.adapters))
    stepwise = load_model(
        folder, target, dtype, vae=vae, info=info, shelf=shelf, compiled=settings.compiled
    )
    preview = _preview(stepwise.codec, info, folder)
    painter = None
    if info.painter is not None:
        painter = load_pix2pix(Path(info.painter), torch.device("cpu")).paint
    engine = Engine(stepwise, info, settings, preview=preview, painter=painter, **facts)
    compose = None
    if info.composer is not None:
        compose = load_composer(Path(info.composer), folder, vae).compose
    return ProgramEngine(engine, info, compose=compose, **facts)


def load_fast_engine(info: ModelInfo, device: str = "auto") -> ProgramEngine:
    """`load_engine` with the device's fast settings instead of its strict ones."""
    return load_engine(info, device, EngineSettings.for_device(find_device(device), strict=False))


def _preview(codec: LatentCodec, info: ModelInfo, folder: Path) -> Preview:
    """With the tiny autoencoder that the model's folder names, if it does."""
    tiny = None
    if info.preview_vae is not None:
        tiny = load_preview(Path(info.preview_vae), folder, codec)
    return Preview(codec, tiny)


def _serial(folder: Path, info: ModelInfo, device: torch.device) -> SerialModel:
    if ModelFolder(folder).pipeline == PIX2PIX:
        return load_pix2pix(folder, device)
    dtype = default_dtype(device, exact=True)
    return load_pipeline(
        folder, info, device=device, dtype=dtype, draw=partial(_draw, info, folder)
    )


def _draw(info: ModelInfo, folder: Path, codec: LatentCodec) -> Callable[[Tensor], bytes]:
    preview = _preview(codec, info, folder)
    return lambda latents: preview.jpeg(latents, (1.0, 1.0))


def _download(repository: str, commit: str | None) -> Path:
    """The parts of a hub repository that a diffusers folder has; not its single-file weights.

    Of weights in several precisions those that will be read. Where the hub cannot be asked what
    there is, its library may still know where an earlier download lies.
    """
    from huggingface_hub import HfApi, snapshot_download

    fetch = partial(
        snapshot_download,
        repository,
        revision=commit,
        allow_patterns=["*.json", "*/*.txt", "*/*.model", "*/*.jinja", "*/*.safetensors"],
    )
    # The HTTP client's own errors are another library's in each version of the hub's.
    try:
        listed = HfApi().model_info(repository, revision=commit).siblings or ()
    except Exception as error:
        with suppress(Exception):
            if commit is None:
                return Path(fetch(local_files_only=True))
        raise _unavailable(repository, error) from error
    ignored = ["*.non_ema.safetensors", *unneeded_variants(file.rfilename for file in listed)]
    try:
        return Path(fetch(ignore_patterns=ignored))
    except Exception as error:
        raise _unavailable(repository, error) from error


def _unavailable(repository: str, error: Exception) -> ModelError:
    return ModelError(f"{repository} cannot be downloaded from the hub: {first_line(error)}")
