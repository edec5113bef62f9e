"""Reads a diffusers folder into memory. Which family it is, its own files say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inference.errors import ModelError
from inference.executors.memory import room_for_models
from inference.families.adapters import Adapters
from inference.families.clip import ClipEncoder
from inference.families.codecs import check_vae, load_codec
from inference.families.compiled import CompiledForward
from inference.families.control import ControlNet, check_control, load_control, with_control
from inference.families.embeddings import XL_NAMES, Vocabulary
from inference.families.flow_parts import check_flux, check_sd3
from inference.families.flow_text import FLUX_T5_LENGTH, SD3_T5_LENGTHS, FluxText, SD3Text
from inference.families.flux import FluxModel
from inference.families.folder import ModelFolder
from inference.families.image_prompt import ImageAdapter
from inference.families.image_prompt_load import (
    check_image_adapter,
    load_image_adapter,
    with_image_adapter,
)
from inference.families.latents import LatentCodec
from inference.families.model import MicroConditioning, UNetModel
from inference.families.packed import pack
from inference.families.prompts import KEPT_LONG, Prompts
from inference.families.schedulers import SchedulerFactory
from inference.families.sd3 import SD3Model
from inference.families.t5 import T5Encoder
from inference.families.text import SDText, SDXLText
from inference.families.weights import first_line, load_weights
from inference.model_info import ModelInfo, describe
from inference.shelf import Shelf

_SD = {
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "LatentConsistencyModelPipeline",
    "LatentConsistencyModelImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
}
_SDXL = {
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
}
_SD3 = {"StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"}
_FLUX = {"FluxPipeline", "FluxImg2ImgPipeline"}

STEPWISE = _SD | _SDXL | _SD3 | _FLUX
"""The pipelines whose models `load_model` can load: their steps can be run one at a time."""


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


def load_model(
    path: Path,
    device: torch.device,
    dtype: torch.dtype,
    *,
    vae: Path | None = None,
    info: ModelInfo | None = None,
    shelf: Shelf | None = None,
    compiled: bool = False,
) -> UNetModel | SD3Model | FluxModel:
    """The model in a diffusers folder.

    dtype: of the denoiser and the autoencoder, and on a GPU of the text encoders; on a CPU those
        are fp32, as they run but once.
    vae: the folder of an autoencoder to be used instead of the model's own.
    info: what it is called; by default what its folder says. shelf: its LoRAs and embeddings.
    compiled: the denoiser's passes are compiled in the background; see `CompiledForward`.

    Raises ModelError that names the file or part that is missing, damaged or of an unknown kind.
    """
    folder = ModelFolder(path, vae=vae)
    check_vae(folder)
    info = info or describe(path)
    folder = with_image_adapter(with_control(folder, info.control), info.image_adapter)
    loader = _Loader(folder, device, dtype, info, shelf or Shelf(), compiled=compiled)
    for pipelines, read in (
        (_SD, loader.sd),
        (_SDXL, loader.sdxl),
        (_SD3, loader.sd3),
        (_FLUX, loader.flux),
    ):
        if folder.pipeline in pipelines:
            return read()
    raise ModelError(
        f"{path / 'model_index.json'} is of a kind that is not supported, {folder.pipeline}."
    )


class _Loader:
    def __init__(
        self,
        folder: ModelFolder,
        device: torch.device,
        dtype: torch.dtype,
        info: ModelInfo,
        shelf: Shelf,
        *,
        compiled: bool,
    ) -> None:
        self._folder = folder
        self._compiled = compiled
        self._info = info
        self._shelf = shelf
        self._device = device
        self._dtype = dtype
        self._rest = torch.float32 if device.type == "cpu" else dtype

    def sd(self) -> UNetModel:
        self._check("unet", "vae", "text_encoder")
        words = Vocabulary(self._shelf, self._info)
        clip = self._clip("tokenizer", "text_encoder", "CLIPTextModel", words)
        unet, compiled = self._unet()
        networks = {"unet": unet, "text_encoder": clip.network}
        adapters = Adapters(networks, self._shelf, self._info)
        return UNetModel(
            unet=unet,
            compiled=compiled,
            control=self._control(),
            image_adapter=self._image_adapter(unet),
            codec=self._codec(),
            prompts=Prompts(SDText(clip), adapters=adapters, vocabulary=words),
            adapters=adapters,
            schedulers=self._schedulers(outdated_defaults=True),
            device=self._device,
            dtype=self._dtype,
        )

    def sdxl(self) -> UNetModel:
        both = self._folder.has("text_encoder")
        self._check("unet", "vae", "text_encoder_2", *(["text_encoder"] if both else []))
        words = Vocabulary(self._shelf, self._info, encoders=XL_NAMES if both else XL_NAMES[1:])
        kind = "CLIPTextModelWithProjection"
        second = self._clip("tokenizer_2", "text_encoder_2", kind, words, XL_NAMES[1])
        unet, compiled = self._unet()
        encoders, networks = [second], {"unet": unet, "text_encoder_2": second.network}
        if both:
            first = self._clip("tokenizer", "text_encoder", "CLIPTextModel", words, XL_NAMES[0])
            encoders, networks = [first, second], networks | {"text_encoder": first.network}
        adapters = Adapters(networks, self._shelf, self._info)
        zeros = bool(self._folder.option("force_zeros_for_empty_prompt", True))
        aesthetic = bool(self._folder.option("requires_aesthetics_score", False))
        text = SDXLText(encoders, zeros_for_empty=zeros)
        return UNetModel(
            unet=unet,
            compiled=compiled,
            control=self._control(),
            image_adapter=self._image_adapter(unet, xl=True),
            codec=self._codec(),
            prompts=Prompts(text, adapters=adapters, vocabulary=words),
            adapters=adapters,
            schedulers=self._schedulers(),
            device=self._device,
            dtype=self._dtype,
            micro=MicroConditioning(aesthetic=aesthetic),
        )

    def sd3(self) -> SD3Model:
        from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

        check_sd3(self._folder)
        schedulers = self._schedulers(flow=True)
        kind = "CLIPTextModelWithProjection"
        first = self._clip("tokenizer", "text_encoder", kind)
        second = self._clip("tokenizer_2", "text_encoder_2", kind)
        t5 = None
        if self._folder.has("text_encoder_3"):
            t5 = self._t5("tokenizer_3", "text_encoder_3", SD3_T5_LENGTHS)
        transformer = self._weights(SD3Transformer2DModel, "transformer", self._dtype)
        width = int(transformer.config.joint_attention_dim)
        clips = {"text_encoder": first.network, "text_encoder_2": second.network}
        adapters = Adapters({"transformer": transformer, **clips}, self._shelf, self._info)
        return SD3Model(
            transformer=transformer,
            compiled=self._compile(transformer),
            codec=self._codec(),
            prompts=Prompts(
                SD3Text(first, second, t5, width=width), adapters=adapters, kept=KEPT_LONG
            ),
            adapters=adapters,
            schedulers=schedulers,
            device=self._device,
            dtype=self._dtype,
        )

    def flux(self) -> FluxModel:
        from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

        check_flux(self._folder)
        schedulers = self._schedulers(flow=True)
        clip = self._clip("tokenizer", "text_encoder", "CLIPTextModel")
        t5 = self._t5("tokenizer_2", "text_encoder_2", (FLUX_T5_LENGTH,))
        transformer = self._weights(FluxTransformer2DModel, "transformer", self._dtype)
        networks = {"transformer": transformer, "text_encoder": clip.network}
        adapters = Adapters(networks, self._shelf, self._info)
        return FluxModel(
            transformer=transformer,
            compiled=self._compile(transformer),
            codec=self._codec(),
            prompts=Prompts(FluxText(clip, t5), adapters=adapters, kept=KEPT_LONG),
            adapters=adapters,
            schedulers=schedulers,
            device=self._device,
            dtype=self._dtype,
        )

    def _check(self, *parts: str) -> None:
        """All of them, before the first is read."""
        for part in parts:
            self._folder.config(part)
            self._folder.variant(part)
        self._folder.config("scheduler", "scheduler_config.json")
        check_control(self._folder)
        check_image_adapter(self._folder)
        unet, vae = self._folder.config("unet"), self._folder.config("vae")
        latents = vae.get("latent_channels", 4)
        # Inpainting models see a mask and what is kept beside the latents.
        if unet.get("in_channels", 4) not in (latents, 2 * latents + 1):
            raise ModelError(
                f"{self._folder.path / 'unet' / 'config.json'} has in_channels "
                f"{unet.get('in_channels', 4)}, but the vae's latents have {latents}: it is "
                "neither a plain image-to-image model nor one for inpainting."
            )

    def _unet(self) -> tuple[Any, CompiledForward | None]:
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        unet = self._weights(UNet2DConditionModel, "unet", self._dtype)
        unet.to(memory_format=torch.channels_last)
        compiled = self._compile(unet)  # before it is packed: the compiler packs by itself
        if self._device.type == "cpu":
            pack(unet, room=room_for_models("cpu"))
        return unet, compiled

    def _control(self) -> ControlNet | None:
        return load_control(self._folder, dtype=self._dtype, device=self._device)

    def _image_adapter(self, unet: Any, *, xl: bool = False) -> ImageAdapter | None:
        return load_image_adapter(
            self._folder,
            unet,
            xl=xl,
            dtype=self._dtype,
            encoder_dtype=self._rest,
            device=self._device,
        )

    def _compile(self, denoiser: Any) -> CompiledForward | None:
        return CompiledForward(denoiser) if self._compiled else None

    def _codec(self) -> LatentCodec:
        return load_codec(self._folder, dtype=self._dtype, device=self._device)

    def _clip(
        self,
        tokenizer: str,
        encoder: str,
        kind: str,
        vocabulary: Vocabulary | None = None,
        name: str = "",
    ) -> ClipEncoder:
        import transformers

        words = self._words(transformers.CLIPTokenizer, self._folder.require_vocabulary(tokenizer))
        module = self._weights(getattr(transformers, kind), encoder, self._rest)
        return ClipEncoder(words, module, vocabulary=vocabulary, name=name)

    def _t5(self, tokenizer: str, encoder: str, lengths: Sequence[int]) -> T5Encoder:
        import transformers

        words = self._words(transformers.T5Tokenizer, self._folder.require(tokenizer))
        module = self._weights(transformers.T5EncoderModel, encoder, self._rest)
        return T5Encoder(words, module, lengths=lengths)

    def _words(self, kind: Any, path: Path) -> Any:
        """A tokenizer. Raises ModelError."""
        try:
            return kind.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{path} is damaged: {first_line(error)}") from error

    def _schedulers(
        self, *, outdated_defaults: bool = False, flow: bool = False
    ) -> SchedulerFactory:
        config = self._folder.config("scheduler", "scheduler_config.json")
        schedulers = SchedulerFactory(config, outdated_defaults=outdated_defaults, flow=flow)
        default = self._info.default_scheduler
        if default is not None and default not in schedulers.names:
            raise ModelError(
                f"{self._folder.path / 'palimpsest.json'} names the scheduler {default}, which "
                f"does not suit this model; it runs with: {', '.join(schedulers.names)}."
            )
        return schedulers

    def _weights(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        return load_weights(self._folder, kind, part, dtype=dtype, device=self._device)
