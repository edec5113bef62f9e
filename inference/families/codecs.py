"""Which autoencoder a model uses, its own or another one, and whether that fits."""

from pathlib import Path
from typing import Any

import torch

from inference.errors import ModelError
from inference.families.folder import ModelFolder, read_json
from inference.families.latents import LatentCodec
from inference.families.tiny_codec import TinyCodec
from inference.families.weights import load_weights
from inference.model_info import latent_geometry

_TINY = "AutoencoderTiny"


def check_vae(folder: ModelFolder) -> None:
    """Raises ModelError where another autoencoder's latents are not like those of the model's own.

    That they are of the same shape does not make two autoencoders speak the same language (those
    of SD 1 and SDXL do not), but more cannot be told from files.
    """
    own = folder.path / "vae" / "config.json"
    if folder.vae is None or not own.is_file():
        return
    wanted, given = latent_geometry(read_json(own)), latent_geometry(folder.config("vae"))
    if wanted != given:
        raise _misfit(folder.vae, given, folder.path, wanted)


def load_codec(folder: ModelFolder, *, dtype: torch.dtype, device: torch.device) -> LatentCodec:
    """The model's autoencoder: an AutoencoderKL or an AutoencoderTiny.

    dtype: of the weights; those that overflow in fp16 are fp32 instead.

    Raises ModelError that names the file at fault.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    config = folder.config("vae")
    name = config.get("_class_name", "AutoencoderKL")
    if name == _TINY:
        return TinyCodec(_network(folder, AutoencoderTiny, dtype, device))
    if name != "AutoencoderKL":
        raise ModelError(
            f"{folder.require('vae') / 'config.json'} is of a kind that is not supported, {name}; "
            f"AutoencoderKL and {_TINY} are."
        )
    if dtype == torch.float16 and config.get("force_upcast", True):
        dtype = torch.float32
    return LatentCodec(_network(folder, AutoencoderKL, dtype, device))


def load_preview(path: Path, model: Path, codec: LatentCodec) -> TinyCodec:
    """An AutoencoderTiny that only draws previews, beside the autoencoder that the model uses.

    path, model: folders. codec: the model's. Raises ModelError that names both where it does not
    fit.
    """
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    folder = ModelFolder(model, vae=path)
    config = folder.config("vae")
    if config.get("_class_name") != _TINY:
        raise ModelError(
            f"{path / 'config.json'} is of a kind that cannot draw previews, "
            f"{config.get('_class_name')}; only {_TINY} can."
        )
    if latent_geometry(config) != (codec.channels, codec.factor):
        raise _misfit(path, latent_geometry(config), model, (codec.channels, codec.factor))
    return TinyCodec(_network(folder, AutoencoderTiny, codec.dtype, codec.device))


def _network(folder: ModelFolder, kind: Any, dtype: torch.dtype, device: torch.device) -> Any:
    module = load_weights(folder, kind, "vae", dtype=dtype, device=device)
    # All of its layers are convolutions, which are faster so on every device.
    return module.to(memory_format=torch.channels_last)


def _misfit(path: Path, given: Any, model: Path, wanted: Any) -> ModelError:
    return ModelError(
        f"The autoencoder {path} does not fit the model {model}: its latents have {given[0]} "
        f"channels, one for {given[1]}×{given[1]} pixels, the model's have {wanted[0]}, one for "
        f"{wanted[1]}×{wanted[1]}."
    )
