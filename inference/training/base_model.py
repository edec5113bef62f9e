"""Models that training starts from: any diffusers folder of a kind that can be trained."""

import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from inference.catalog import Catalog
from inference.errors import ModelError
from inference.families.folder import ModelFolder
from inference.families.quiet import quiet
from inference.families.schedulers import SchedulerFactory
from inference.training.noising import Noising
from inference.training.retiming import retime

SD = frozenset({"StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline"})
SDXL = frozenset({"StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"})
EDIT = frozenset({"StableDiffusionInstructPix2PixPipeline"})
_WEIGHTY = ("unet", "vae", "text_encoder", "text_encoder_2")


def find_folder(name: str) -> Path:
    """The folder that a catalogue entry, a folder or a downloaded repository means.

    Raises RequestError for an unknown name, and ModelError for a repository that is not here.
    """
    found = Catalog(default=name).find(name).folder
    if found is None:
        raise ModelError(f"{name} is not on this machine; download it first or name a folder.")
    return found


def fingerprint(folder: Path) -> str:
    """Eight hexadecimal digits that change with the weights that a pipeline's folder paints by."""
    found = 0
    for part in ("text_encoder", "unet", "vae"):
        for path in sorted((folder / part).glob("*")):
            if path.suffix in (".safetensors", ".bin"):
                with path.open("rb") as file:
                    while piece := file.read(1 << 24):
                        found = zlib.crc32(piece, found)
    return f"{found:08x}"


def load_pipeline(folder: Path, kinds: Collection[str], dtype: torch.dtype) -> Any:
    """The folder's pipeline on the CPU, all of it in `dtype`, without a safety checker.

    Raises ModelError that names the file at fault or, where the pipeline is not one of `kinds`,
    those that are.
    """
    model = ModelFolder(folder)
    if model.pipeline not in kinds:
        raise ModelError(
            f"{folder} is a {model.pipeline}; this training starts from "
            f"{' or '.join(sorted(kinds))}."
        )
    weighty = [part for part in _WEIGHTY if model.has(part)]
    unchecked = {"safety_checker": None, "requires_safety_checker": False}
    try:
        with quiet():
            pipe = DiffusionPipeline.from_pretrained(
                folder,
                variant=model.other_variant(weighty),
                local_files_only=True,
                **({} if model.pipeline in SDXL else unchecked),
            ).to(dtype)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ModelError(f"{folder} cannot be loaded: {error}") from error
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_scheduler(folder: Path) -> Any:
    """The folder's scheduler alone. Raises ModelError where there is none."""
    config = ModelFolder(folder).config("scheduler", "scheduler_config.json")
    return SchedulerFactory(config, outdated_defaults=False).make(None)


def reschedule(pipe: Any, scheduler: Any, *, fit: bool) -> None:
    """Puts a pipeline on another noise schedule.

    fit: its UNet's time embedding to that; not where the weights are still to be read.

    Raises ModelError where the two schedules do not predict the same thing.
    """
    old, new = Noising(pipe.scheduler.config), Noising(scheduler.config)
    if fit and (left := retime(pipe.unet, old, new)):
        print(f"The time embedding was fitted to another noise schedule, but for {left:.1%}.")
    pipe.register_modules(scheduler=scheduler)
