"""The weights of one part of a model, all of them or none, and how our own are written."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from inference.errors import ModelError
from inference.families.folder import ModelFolder
from inference.families.quiet import quiet


def load_weights(
    folder: ModelFolder, kind: Any, part: str, *, dtype: torch.dtype, device: torch.device
) -> Any:
    """One module, ready to be used.

    kind: its class, of diffusers or transformers.

    Raises ModelError, as a module with random weights in it would do its work without complaint.
    """
    path = folder.require(part)
    options: dict[str, Any] = {
        "local_files_only": True,
        "use_safetensors": True,
        "output_loading_info": True,
    }
    # The two libraries name it differently.
    options["torch_dtype" if kind.__module__.startswith("diffusers.") else "dtype"] = dtype
    try:
        with quiet():
            module, info = kind.from_pretrained(path, variant=folder.variant(part), **options)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be loaded: {first_line(error)}") from error
    missing = sorted(info["missing_keys"]) + sorted(map(str, info["mismatched_keys"]))
    if missing:
        raise ModelError(
            f"{path} does not fit its config.json: {len(missing)} weights are missing or of "
            f"another shape, {missing[0]} among them."
        )
    return module.to(device).eval().requires_grad_(False)


def write_weights(
    weights: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """As safetensors' `save_file`, which leaves a file that only its owner can read.

    metadata: besides that they are torch's.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    path.write_bytes(save(kept, metadata={"format": "pt", **(metadata or {})}))


def let_others_read(folder: Path) -> None:
    """Gives weights that `save_pretrained` wrote the mode of the configuration beside them."""
    for path in folder.rglob("*.safetensors"):
        shutil.copymode(path.with_name("config.json"), path)


def first_line(error: Exception) -> str:
    """What a library says at first; the rest is advice."""
    return (str(error) or type(error).__name__).strip().splitlines()[0]
