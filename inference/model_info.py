"""What the JSON files of a diffusers folder tell about its model; nothing here loads torch.

What they cannot tell (a title, how many steps suit it) may stand in a `palimpsest.json` beside
`model_index.json`, with the keys `title`, `steps`, `guidance` and `scheduler`, all optional.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import ModelError

DEFAULT_BUDGET = 512 * 512
TRANSFORMER_BUDGET = 1024 * 1024
DEFAULT_STEPS, DEFAULT_GUIDANCE = 20, 5.0
DISTILLED_STEPS, DISTILLED_GUIDANCE = 4, 1.0

_DISTILLED = re.compile(r"turbo|lightning|lcm|hyper|schnell", re.IGNORECASE)
_WEIGHTS = {".safetensors", ".bin", ".ckpt", ".pt", ".pth"}
_SAMPLE = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """One model, as far as its configuration files tell.

    id: what a recipe and the job log call it; title: what members read.
    location: an absolute diffusers folder, or the name of a hub repository.
    pixel_budget: width × height, in pixels, that the model was trained for.
    multiple: the work size's sides are multiples of this, pixels.
    default_steps, default_guidance, default_scheduler: what suits it; None: its own scheduler.
    family: the pipeline class that its files name, "" while they are not here.
    """

    id: str
    title: str
    location: str
    pixel_budget: int = DEFAULT_BUDGET
    multiple: int = 8
    default_steps: int = DEFAULT_STEPS
    default_guidance: float = DEFAULT_GUIDANCE
    default_scheduler: str | None = None
    family: str = ""

    @property
    def folder(self) -> Path | None:
        """Where its files lie, or None for a hub repository that is not downloaded yet."""
        return folder_of(self.location)


def folder_of(location: str) -> Path | None:
    """The folder of a `ModelInfo.location`, or None for a repository not downloaded yet."""
    path = Path(location)
    return path if path.is_absolute() else _downloaded(location)


def describe(folder: Path) -> ModelInfo:
    """Reads one diffusers folder; its id is its name.

    Raises ModelError that names the file that is missing or wrong.
    """
    index = _read(folder / "model_index.json")
    own = _read(folder / "palimpsest.json", optional=True)
    family = index.get("_class_name")
    if not isinstance(family, str):
        raise ModelError(f"{folder / 'model_index.json'} names no pipeline (_class_name).")
    scale = _vae_scale(folder)
    budget, patch = _budget(folder, scale)
    distilled = _is_distilled(folder)
    try:
        return ModelInfo(
            id=folder.name,
            title=str(own.get("title") or title_of(folder.name)),
            location=str(folder.absolute()),
            pixel_budget=budget,
            multiple=scale * patch,
            default_steps=int(own.get("steps", DISTILLED_STEPS if distilled else DEFAULT_STEPS)),
            default_guidance=float(
                own.get("guidance", DISTILLED_GUIDANCE if distilled else DEFAULT_GUIDANCE)
            ),
            default_scheduler=own.get("scheduler"),
            family=family,
        )
    except (TypeError, ValueError) as error:
        raise ModelError(f"{folder / 'palimpsest.json'} holds a wrong value: {error}.") from error


def title_of(name: str) -> str:
    """A folder's or repository's name made readable."""
    words = name.rsplit("/", 1)[-1].replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def weight_bytes(location: str) -> int:
    """Size of all weights on disk in bytes, about what they take in memory; 0 when unknown."""
    folder = folder_of(location)
    return sum(path.stat().st_size for path in _files(folder) if path.suffix in _WEIGHTS)


def revision(location: str) -> str:
    """A fingerprint of the model's content, for the job log: 16 hex digits, "" when not here.

    Over the configuration files and, of the weights, the sizes and both ends: two trainings of
    one architecture differ in every value, and reading gigabytes at each start is not needed
    to tell them apart.
    """
    folder = folder_of(location)
    digest = hashlib.sha256()
    paths = _files(folder)
    for path in paths:
        digest.update(f"{path.relative_to(folder or '/')}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            if path.suffix not in _WEIGHTS:
                digest.update(file.read())
                continue
            digest.update(file.read(_SAMPLE))
            file.seek(-min(_SAMPLE, path.stat().st_size), os.SEEK_END)
            digest.update(file.read())
    return digest.hexdigest()[:16] if paths else ""


def _files(folder: Path | None) -> list[Path]:
    """Configuration files and weights, in a fixed order."""
    if folder is None:
        return []
    wanted = {".json", ".txt"} | _WEIGHTS
    return sorted(path for path in folder.rglob("*") if path.suffix in wanted and path.is_file())


def _read(path: Path, *, optional: bool = False) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if optional:
            return {}
        raise ModelError(f"{path} is missing.") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object.")
    return content


def _vae_scale(folder: Path) -> int:
    """Pixels per latent, as diffusers' pipelines compute it."""
    vae = _read(folder / "vae" / "config.json", optional=True)
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels")
    return 2 ** (len(blocks) - 1) if isinstance(blocks, list) and blocks else 8


def _budget(folder: Path, scale: int) -> tuple[int, int]:
    """Pixel budget, and how many latents one patch of the model is wide."""
    unet = _read(folder / "unet" / "config.json", optional=True)
    transformer = _read(folder / "transformer" / "config.json", optional=True)
    patch = 1
    budget = DEFAULT_BUDGET
    if transformer:
        # Models such as Flux pack 2×2 latents outside the transformer and say patch_size 1.
        patch = max(2, transformer.get("patch_size") or 2)
        budget = TRANSFORMER_BUDGET
    sample = (transformer or unet).get("sample_size")
    if isinstance(sample, int):
        sample = [sample, sample]
    if isinstance(sample, list) and len(sample) == 2:
        budget = sample[0] * sample[1] * scale * scale
    return budget, patch


def _is_distilled(folder: Path) -> bool:
    """Whether it was trained for a few steps without guidance (LCM, turbo, lightning …)."""
    unet = _read(folder / "unet" / "config.json", optional=True)
    scheduler = _read(folder / "scheduler" / "scheduler_config.json", optional=True)
    return bool(
        unet.get("time_cond_proj_dim")
        or scheduler.get("_class_name") == "LCMScheduler"
        or _DISTILLED.search(folder.name)
    )


def _downloaded(repository: str) -> Path | None:
    """The snapshot of a hub repository in the Hugging Face cache.

    Read here, because importing `huggingface_hub` costs the bot's process half a second.
    """
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    root = cache / f"models--{repository.replace('/', '--')}"
    main = root / "refs" / "main"
    if not main.is_file():
        return None
    snapshot = root / "snapshots" / main.read_text("utf-8").strip()
    return snapshot if (snapshot / "model_index.json").is_file() else None
