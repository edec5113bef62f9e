"""What the JSON files of a diffusers folder tell about its model; nothing here loads torch.

What they cannot tell (a title, how many steps suit it) may stand in a `palimpsest.json` beside
`model_index.json`, with the keys `title`, `steps`, `guidance`, `scheduler`, `vae`, `preview_vae`,
`ip_adapter`, `painter`, `composer`, `details` and those of `inference.control_info`, all optional.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inference.control_info import ControlInfo, find_control
from inference.errors import ModelError
from inference.image_adapter_info import find_image_adapter
from inference.request import TASK_STRENGTHS

DEFAULT_BUDGET = 512 * 512
TRANSFORMER_BUDGET = 1024 * 1024
DEFAULT_STEPS, DEFAULT_GUIDANCE = 20, 5.0
DISTILLED_STEPS, DISTILLED_GUIDANCE = 4, 1.0
EMBEDDED_GUIDANCE = 3.5
"""Where guidance is an input of a transformer, as with Flux dev, it means something else."""

PIX2PIX = "pix2pix"
"""The architecture that knows its one task and no strength."""

_ARCHITECTURES = {
    "StableDiffusionPipeline": "Stable Diffusion",
    "StableDiffusionImg2ImgPipeline": "Stable Diffusion",
    "LatentConsistencyModelPipeline": "Stable Diffusion",
    "LatentConsistencyModelImg2ImgPipeline": "Stable Diffusion",
    "StableDiffusionInpaintPipeline": "Stable Diffusion",
    "StableDiffusionXLPipeline": "SDXL",
    "StableDiffusionXLInpaintPipeline": "SDXL",
    "StableDiffusionXLImg2ImgPipeline": "SDXL",
    "StableDiffusion3Pipeline": "Stable Diffusion 3",
    "StableDiffusion3Img2ImgPipeline": "Stable Diffusion 3",
    "FluxPipeline": "Flux",
    "FluxImg2ImgPipeline": "Flux",
    "Pix2Pix": PIX2PIX,
}
STEERED = {"Stable Diffusion", "SDXL"}
"""The kinds of model that a ControlNet or an image adapter can steer here."""

FOLLOWING = {
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionXLInstructPix2PixPipeline",
    "FluxKontextPipeline",
    "Flux2Pipeline",
    "Flux2KleinPipeline",
    "QwenImageEditPipeline",
    "QwenImageEditPlusPipeline",
    "BriaFiboEditPipeline",
    "JoyImageEditPipeline",
    "LongCatImageEditPipeline",
    "DreamLitePipeline",
    "DreamLiteMobilePipeline",
}
"""The pipelines that change a picture as an instruction says."""

_BY_CROSS_ATTENTION = {"768": "Stable Diffusion 1", "1024": "Stable Diffusion 2"}
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
    architecture: what people call its kind, so that errors can name it; likewise.
    vae, preview_vae: absolute folders of an autoencoder to use instead of its own, and of a tiny
        one to draw previews with; None: its own, and a linear approximation.
    adapters: absolute folder of the LoRAs and embeddings that may be used with it, or None.
    control: the ControlNet that the task sketch uses with it, or None.
    image_adapter: absolute folder of what the task style needs, or None.
    painter: likewise of the pix2pix model that paints a drawing before the task sketch paints over
        it, or None.
    composer: likewise of what makes small pictures from words, to be painted over, or None.
    details: likewise of what gives an edited picture its source's details, or None.
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
    architecture: str = ""
    vae: str | None = None
    preview_vae: str | None = None
    adapters: str | None = None
    control: ControlInfo | None = None
    image_adapter: str | None = None
    painter: str | None = None
    composer: str | None = None
    details: str | None = None

    @property
    def follows_instructions(self) -> bool:
        """Whether it can do the task edit."""
        return self.family in FOLLOWING

    @property
    def shares_steps(self) -> bool:
        """Whether the step engine runs it; others run one job at a time, in their own pipeline."""
        return self.family in _ARCHITECTURES and self.architecture != PIX2PIX

    def strength_for(self, task: str) -> float | None:
        """The strength that suits a task, where it is another than usual."""
        # Paintings need not change as much as lines.
        return None if task == "sketch" and self.painter else TASK_STRENGTHS.get(task)

    @property
    def folder(self) -> Path | None:
        """Where its files lie, or None for a hub repository that is not downloaded yet."""
        return folder_of(self.location)

    def with_vae(self, vae: Path | None) -> "ModelInfo":
        """The same with another autoencoder; None changes nothing."""
        return self if vae is None else replace(self, vae=str(vae.absolute()))


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
    steps, guidance = _suits(folder)
    try:
        vae = _beside(folder, own, "vae")
        scale = _vae_scale(folder, vae)
        budget, patch = _budget(folder, scale)
        return ModelInfo(
            id=folder.name,
            title=str(own.get("title") or title_of(folder.name)),
            location=str(folder.absolute()),
            pixel_budget=budget,
            multiple=scale * patch,
            default_steps=int(own.get("steps", steps)),
            default_guidance=float(own.get("guidance", guidance)),
            default_scheduler=own.get("scheduler"),
            family=family,
            architecture=_architecture(folder, index, family),
            vae=vae,
            preview_vae=_beside(folder, own, "preview_vae"),
            control=find_control(
                folder,
                own,
                _beside(folder, own, "controlnet"),
                steered=_ARCHITECTURES.get(family) in STEERED,
            ),
            painter=_painter(folder, own, family),
            composer=_inside(
                folder,
                own,
                "composer",
                "Stable Diffusion models",
                fits=_ARCHITECTURES.get(family) == "Stable Diffusion",
            ),
            details=_inside(
                folder,
                own,
                "details",
                "models that follow instructions",
                fits=family in FOLLOWING,
            ),
            image_adapter=find_image_adapter(
                folder,
                _beside(folder, own, "ip_adapter"),
                steered=_ARCHITECTURES.get(family) in STEERED,
            ),
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


def revision(location: str, *others: str | None) -> str:
    """A fingerprint of the model's content, for the job log: 16 hex digits, "" when not here.

    others: folders of what it uses besides, an autoencoder or a ControlNet; part of the
        fingerprint.

    Over the configuration files and, of the weights, the sizes and both ends: two trainings of
    one architecture differ in every value, and reading gigabytes at each start is not needed
    to tell them apart.
    """
    digest = hashlib.sha256()
    folders = [folder_of(location), *(Path(other) for other in others if other is not None)]
    for folder in folders:
        _add_content(digest, folder)
    return digest.hexdigest()[:16] if _files(folders[0]) else ""


def _add_content(digest: "hashlib._Hash", folder: Path | None) -> None:
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder or '/')}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            if path.suffix not in _WEIGHTS:
                digest.update(file.read())
                continue
            digest.update(file.read(_SAMPLE))
            file.seek(-min(_SAMPLE, path.stat().st_size), os.SEEK_END)
            digest.update(file.read())


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


def _beside(folder: Path, own: dict[str, Any], name: str) -> str | None:
    """A folder that `palimpsest.json` names, absolute; a relative one is seen from the model's."""
    value = own.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} is no path")
    return str(Path(os.path.normpath(folder.absolute() / Path(value).expanduser())))


def _painter(folder: Path, own: dict[str, Any], family: str) -> str | None:
    """A folder, or the name of an embedded model, so that a copy of pocket finds its own.

    Raises ValueError for one without effect, and where there is a ControlNet too.
    """
    painter = _beside(folder, own, "painter")
    if painter is None:
        return None
    embedded = Path(__file__).absolute().parent / str(own["painter"])
    if (embedded / "model_index.json").is_file() and not Path(painter).exists():
        painter = str(embedded)
    if _ARCHITECTURES.get(family) not in STEERED:
        raise ValueError("a painter works with Stable Diffusion and SDXL only")
    if own.get("controlnet") or (folder / "controlnet").is_dir():
        raise ValueError("there are a painter and a ControlNet, and a drawing is for one of them")
    return painter


def _inside(folder: Path, own: dict[str, Any], name: str, models: str, *, fits: bool) -> str | None:
    """The folder of that name in the model's own, or the one that is named instead.

    models: those it is for, and whether this one `fits`. Raises ValueError for a named one if not.
    """
    named = _beside(folder, own, name)
    if not fits:
        if named is not None:
            raise ValueError(f"{name} is for {models}")
        return None
    inside = folder.absolute() / name
    return str(inside) if named is None and inside.is_dir() else named


def _architecture(folder: Path, index: dict[str, Any], family: str) -> str:
    known = _ARCHITECTURES.get(family)
    if known is None:
        return family.removesuffix("Pipeline")
    if known == "Stable Diffusion":
        unet = _read(folder / "unet" / "config.json", optional=True)
        return _BY_CROSS_ATTENTION.get(str(unet.get("cross_attention_dim")), known)
    text_encoder = index.get("text_encoder")
    if known == "SDXL" and not (isinstance(text_encoder, list) and text_encoder[-1]):
        return "SDXL refiner"
    return known


def latent_geometry(vae: dict[str, Any]) -> tuple[int, int]:
    """From an autoencoder's configuration: its latents' channels, and pixels per latent."""
    channels = vae.get("latent_channels") or vae.get("z_dim") or 4
    if isinstance(vae.get("temperal_downsample"), list):  # spelt so by diffusers
        return int(channels), int(2 ** len(vae["temperal_downsample"]))
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels")
    return int(channels), 2 ** (len(blocks) - 1) if isinstance(blocks, list) and blocks else 8


def _vae_scale(folder: Path, other: str | None) -> int:
    """Pixels per latent, as diffusers' pipelines compute it."""
    config = folder / "vae" / "config.json"
    if other is not None and not config.is_file():
        config = Path(other) / "config.json"
    return latent_geometry(_read(config, optional=True))[1]


def _budget(folder: Path, scale: int) -> tuple[int, int]:
    """Pixel budget, and how many latents one patch of the model is wide."""
    unet = _read(folder / "unet" / "config.json", optional=True)
    transformer = _read(folder / "transformer" / "config.json", optional=True)
    patch = 1
    budget = DEFAULT_BUDGET
    if transformer:
        # Models such as Flux pack 2×2 latents outside the transformer and say patch_size 1.
        size = transformer.get("patch_size")
        patch = max(2, size) if isinstance(size, int) else 2
        budget = TRANSFORMER_BUDGET
    sample = (transformer or unet).get("sample_size")
    if isinstance(sample, int):
        sample = [sample, sample]
    if isinstance(sample, list) and len(sample) == 2:
        budget = sample[0] * sample[1] * scale * scale
    # A pix2pix folder has one network, and its configuration beside the index.
    side = _read(folder / "config.json", optional=True).get("output_size")
    if isinstance(side, int):
        budget = side * side
    return budget, patch


def _suits(folder: Path) -> tuple[int, float]:
    """Steps and guidance that suit the model, as far as its files tell."""
    transformer = _read(folder / "transformer" / "config.json", optional=True)
    if _is_distilled(folder, transformer):
        return DISTILLED_STEPS, DISTILLED_GUIDANCE
    return DEFAULT_STEPS, (
        EMBEDDED_GUIDANCE if transformer.get("guidance_embeds") else DEFAULT_GUIDANCE
    )


def _is_distilled(folder: Path, transformer: dict[str, Any]) -> bool:
    """Whether it was trained for a few steps without guidance (LCM, turbo, lightning …)."""
    unet = _read(folder / "unet" / "config.json", optional=True)
    scheduler = _read(folder / "scheduler" / "scheduler_config.json", optional=True)
    # A Flux that does not take guidance as an input is schnell or was made from it.
    schnell = transformer.get("_class_name") == "FluxTransformer2DModel" and not transformer.get(
        "guidance_embeds"
    )
    # A downloaded repository is …/models--owner--name/snapshots/revision.
    name = folder.parents[1].name if folder.parent.name == "snapshots" else folder.name
    return bool(
        schnell
        or unet.get("time_cond_proj_dim")
        or scheduler.get("_class_name") == "LCMScheduler"
        or _DISTILLED.search(name.rsplit("--", 1)[-1])
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
