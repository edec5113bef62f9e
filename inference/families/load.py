"""Reads a diffusers folder into memory. Which family it is, its own files say."""

from pathlib import Path
from typing import Any

import torch

from inference.errors import ModelError
from inference.families.clip import ClipEncoder
from inference.families.folder import ModelFolder
from inference.families.latents import LatentCodec
from inference.families.model import MicroConditioning, UNetModel
from inference.families.prompts import Prompts
from inference.families.quiet import quiet
from inference.families.schedulers import SchedulerFactory
from inference.families.text import SDText, SDXLText

_SD = {
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "LatentConsistencyModelPipeline",
    "LatentConsistencyModelImg2ImgPipeline",
}
_SDXL = {"StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"}


def find_device(name: str) -> torch.device:
    """The device a setting means; `auto` is the first accelerator, else the CPU.

    Raises ModelError where the named one is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"There is no device “{name}”; try auto, cpu or cuda.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"There is no device “{name}” on this machine; try auto or cpu.")
    return device


def default_dtype(device: torch.device, *, exact: bool) -> torch.dtype:
    """What the UNet runs in: on a GPU bf16, or fp16 where it has no bf16; on a CPU fp32.

    exact: False lets a CPU that multiplies bf16 natively use it, about 1.5 times as fast.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    can = torch.cpu.get_capabilities()
    native = can.get("avx512_bf16", False) or can.get("amx_bf16", False)
    return torch.float32 if exact or not native else torch.bfloat16


def load_model(path: Path, device: torch.device, dtype: torch.dtype) -> UNetModel:
    """The model in a diffusers folder.

    dtype: of the UNet, and on a GPU of the rest; on a CPU the rest is fp32, as it runs but once.

    Raises ModelError that names the file or part that is missing, damaged or of an unknown kind.
    """
    folder = ModelFolder(path)
    if folder.pipeline not in _SD | _SDXL:
        raise ModelError(
            f"{path / 'model_index.json'} is of a kind that is not supported, {folder.pipeline}."
        )
    loader = _Loader(folder, device, dtype)
    return loader.sdxl() if folder.pipeline in _SDXL else loader.sd()


class _Loader:
    def __init__(self, folder: ModelFolder, device: torch.device, dtype: torch.dtype) -> None:
        self._folder = folder
        self._device = device
        self._dtype = dtype
        self._rest = torch.float32 if device.type == "cpu" else dtype

    def sd(self) -> UNetModel:
        self._check("unet", "vae", "text_encoder")
        text = SDText(self._clip("tokenizer", "text_encoder", "CLIPTextModel"))
        return UNetModel(
            unet=self._unet(),
            codec=self._codec(),
            prompts=Prompts(text),
            schedulers=self._schedulers(outdated_defaults=True),
            device=self._device,
            dtype=self._dtype,
        )

    def sdxl(self) -> UNetModel:
        both = self._folder.has("text_encoder")
        self._check("unet", "vae", "text_encoder_2", *(["text_encoder"] if both else []))
        encoders = [self._clip("tokenizer_2", "text_encoder_2", "CLIPTextModelWithProjection")]
        if both:
            encoders.insert(0, self._clip("tokenizer", "text_encoder", "CLIPTextModel"))
        zeros = bool(self._folder.option("force_zeros_for_empty_prompt", True))
        aesthetic = bool(self._folder.option("requires_aesthetics_score", False))
        return UNetModel(
            unet=self._unet(),
            codec=self._codec(),
            prompts=Prompts(SDXLText(encoders, zeros_for_empty=zeros)),
            schedulers=self._schedulers(outdated_defaults=False),
            device=self._device,
            dtype=self._dtype,
            micro=MicroConditioning(aesthetic=aesthetic),
        )

    def _check(self, *parts: str) -> None:
        """All of them, before the first is read."""
        for part in parts:
            self._folder.config(part)
            self._folder.variant(part)
        self._folder.config("scheduler", "scheduler_config.json")
        unet, vae = self._folder.config("unet"), self._folder.config("vae")
        if unet.get("in_channels", 4) != vae.get("latent_channels", 4):
            raise ModelError(
                f"{self._folder.path / 'unet' / 'config.json'} has in_channels "
                f"{unet.get('in_channels', 4)}, but the vae's latents have "
                f"{vae.get('latent_channels', 4)}: it is no plain image-to-image model."
            )

    def _unet(self) -> Any:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        return self._weights(UNet2DConditionModel, "unet", self._dtype)

    def _codec(self) -> LatentCodec:
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        config = self._folder.config("vae")
        # Such a VAE overflows in fp16.
        upcast = self._rest == torch.float16 and config.get("force_upcast", True)
        dtype = torch.float32 if upcast else self._rest
        return LatentCodec(self._weights(AutoencoderKL, "vae", dtype))

    def _clip(self, tokenizer: str, encoder: str, kind: str) -> ClipEncoder:
        import transformers

        path = self._folder.require_vocabulary(tokenizer)
        try:
            words = transformers.CLIPTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{path} is damaged: {_first_line(error)}") from error
        return ClipEncoder(words, self._weights(getattr(transformers, kind), encoder, self._rest))

    def _schedulers(self, *, outdated_defaults: bool) -> SchedulerFactory:
        config = self._folder.config("scheduler", "scheduler_config.json")
        return SchedulerFactory(config, outdated_defaults=outdated_defaults)

    def _weights(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        """One module with all of its weights. Raises ModelError."""
        path = self._folder.require(part)
        options: dict[str, Any] = {
            "local_files_only": True,
            "use_safetensors": True,
            "output_loading_info": True,
        }
        # The two libraries name it differently.
        options["torch_dtype" if kind.__module__.startswith("diffusers.") else "dtype"] = dtype
        try:
            with quiet():
                module, info = kind.from_pretrained(
                    path, variant=self._folder.variant(part), **options
                )
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ModelError(f"{path} cannot be loaded: {_first_line(error)}") from error
        missing = sorted(info["missing_keys"]) + sorted(map(str, info["mismatched_keys"]))
        if missing:
            raise ModelError(
                f"{path} does not fit its config.json: {len(missing)} weights are missing or of "
                f"another shape, {missing[0]} among them."
            )
        return module.to(self._device).eval().requires_grad_(False)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
