"""Reads a diffusers folder whose model runs through its own pipeline."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference.errors import ModelError
from inference.families.codecs import check_vae
from inference.families.folder import ModelFolder
from inference.families.latents import LatentCodec
from inference.families.parts import load_part
from inference.families.pipeline import PipelineModel
from inference.families.pipeline_call import PipelineCall
from inference.families.pipeline_kinds import find_kinds
from inference.families.quiet import quiet
from inference.families.tiny_codec import TinyCodec
from inference.families.weights import first_line, load_weights
from inference.model_info import ModelInfo

# What a tokenizer may keep its words in; without one it would load, and know no word.
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)

_PROCESSORS = ("Processor", "FeatureExtractor")
_WEIGHTLESS = ("Scheduler", "Tokenizer", "TokenizerFast", *_PROCESSORS)

# A picture that it takes for indecent comes out black. As with Stable Diffusion models, what may
# be painted is for the owner and the guilds to say.
_LEFT_OUT = ("safety_checker",)

DrawWith = Callable[[LatentCodec], Callable[[Tensor], bytes]]
"""Makes what draws previews of a codec's latents. Raises ModelError."""


def load_pipeline(
    path: Path, info: ModelInfo, *, device: torch.device, dtype: torch.dtype, draw: DrawWith
) -> PipelineModel:
    """The model in a diffusers folder of any kind that diffusers has a suitable pipeline for.

    info: says which autoencoders are used. dtype: of all weights.

    Raises ModelError that names the file or part that is missing, damaged or of an unknown kind.
    """
    folder = ModelFolder(path, vae=None if info.vae is None else Path(info.vae))
    kinds = find_kinds(folder.pipeline, path / "model_index.json")
    first = kinds.from_image or kinds.from_text
    _check(folder, first)
    parts = {
        part: load_weights(folder, kind, part, dtype=dtype, device=device)
        if issubclass(kind, nn.Module)
        else load_part(kind, folder.require(part))
        for part, kind in _classes(folder).items()
    }
    pipe = _assemble(folder, first, parts)
    for part, module in pipe.components.items():
        if part not in parts and isinstance(module, nn.Module):
            module.to(dtype)
    pipe.to(device)
    codec = _codec(pipe)
    if codec is None and info.preview_vae is not None:
        raise ModelError(
            f"{path / 'palimpsest.json'} names a preview_vae, but previews are only possible where "
            "the model's own autoencoder is an AutoencoderKL."
        )

    def call(kind: Any) -> PipelineCall | None:
        own = pipe if kind is first else kind and _beside(pipe, kind)
        if own is None:
            return None
        return PipelineCall(
            own,
            name=folder.pipeline.removesuffix("Pipeline"),
            guidance=info.default_guidance,
            steps=info.default_steps,
        )

    return PipelineModel(
        name=folder.pipeline.removesuffix("Pipeline"),
        from_image=call(kinds.from_image),
        from_text=call(kinds.from_text),
        channels=0 if codec is None else codec.channels,
        jpeg=None if codec is None else draw(codec),
    )


def _check(folder: ModelFolder, kind: Any) -> None:
    """All parts, before the first is read. kind: the pipeline's class."""
    check_vae(folder)
    for name in _required(kind):
        folder.require(name)
    for part, (_, class_name) in folder.parts.items():
        if part in _LEFT_OUT:
            continue
        path = folder.require(part)
        if class_name.endswith("Scheduler"):
            folder.config(part, "scheduler_config.json")
        elif class_name.endswith(("Tokenizer", "TokenizerFast")):
            if not any((path / name).is_file() for name in _VOCABULARIES):
                raise ModelError(f"{path / _VOCABULARIES[0]} is missing.")
        elif not class_name.endswith(_PROCESSORS):
            folder.config(part)
            folder.variant(part)


def _classes(folder: ModelFolder) -> dict[str, Any]:
    """The classes of the parts, except the few that are a pipeline's own."""
    found = {}
    for part, (library, name) in folder.parts.items():
        if library not in ("diffusers", "transformers") or part in _LEFT_OUT:
            continue
        other = part == "vae" and folder.vae is not None
        class_name = _other_vae(folder, name) if other else name
        kind = getattr(import_module(library), class_name, None)
        if kind is None and class_name.endswith("FeatureExtractor"):
            continue  # an old name of a processor, which diffusers knows to replace
        if not inspect.isclass(kind):
            raise ModelError(
                f"{folder.path / 'model_index.json'} names an unknown class for {part}, {name}."
            )
        found[part] = kind
    return found


def _other_vae(folder: ModelFolder, own: str) -> str:
    """The class of another autoencoder: that of the own one, or the tiny one for AutoencoderKL."""
    name = str(folder.config("vae").get("_class_name", own))
    if name != own and (own, name) != ("AutoencoderKL", "AutoencoderTiny"):
        raise ModelError(
            f"{folder.require('vae') / 'config.json'} is of another kind, {name}, than the "
            f"autoencoder of the model {folder.path}, {own}."
        )
    return name


def _assemble(folder: ModelFolder, kind: Any, parts: dict[str, Any]) -> Any:
    """The pipeline; the parts that are its own it reads itself."""
    takes = inspect.signature(kind.__init__).parameters
    options: dict[str, Any] = {name: None for name in _LEFT_OUT if name in takes}
    if "requires_safety_checker" in takes:
        options["requires_safety_checker"] = False
    own = [
        part
        for part, (_, name) in folder.parts.items()
        if part not in (*parts, *_LEFT_OUT) and not name.endswith(_WEIGHTLESS)
    ]
    try:
        with quiet():
            return kind.from_pretrained(
                folder.path,
                variant=folder.other_variant(own),
                local_files_only=True,
                use_safetensors=True,
                **parts,
                **options,
            )
    except Exception as error:  # whatever is wrong surfaces somewhere inside three libraries
        raise ModelError(f"{folder.path} cannot be loaded: {first_line(error)}") from error


def _required(kind: Any) -> list[str]:
    """The parts that a pipeline class cannot do without."""
    takes = inspect.signature(kind.__init__).parameters.items()
    optional = ("self", *kind._optional_components)
    return [name for name, one in takes if one.default is one.empty and name not in optional]


def _beside(pipe: Any, kind: Any) -> Any | None:
    """Another pipeline around the same parts; None where it wants more."""
    given = {**dict(pipe.config), **pipe.components}
    if not given.keys() >= set(_required(kind)):
        return None
    takes = [name for name in inspect.signature(kind.__init__).parameters if name != "self"]
    with quiet():
        return kind(**{name: given[name] for name in takes if name in given})


def _codec(pipe: Any) -> LatentCodec | None:
    """For previews: autoencoders of other kinds have latents that no picture is seen in."""
    vae = getattr(pipe, "vae", None)
    kinds = {"AutoencoderKL": LatentCodec, "AutoencoderTiny": TinyCodec}
    kind = kinds.get(type(vae).__name__)
    return None if kind is None else kind(vae)
