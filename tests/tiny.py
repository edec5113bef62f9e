"""Tiny diffusers folders with random weights and a real tokenizer, built without a network.

A picture of 64×64 pixels has latents of 8×8, as with the real models. `sd` and `sdxl` write a
folder and return its path; the weights depend only on the seed.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

NATIVE_SIDE = 64
"""The side in pixels that a tiny model's unet names as its own."""

_TRAINED = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "_diffusers_version": "0.35.0",
}


def sd(
    folder: Path,
    *,
    prediction: str = "epsilon",
    zero_snr: bool = False,
    latent_channels: int = 4,
    scheduler: dict[str, Any] | None = None,
    time_cond: int | None = None,
    inpainting: bool = False,
    channels: tuple[int, ...] = (32, 64),
    seed: int = 0,
) -> Path:
    """An SD 1.x-type folder; `zero_snr` gives a v-prediction model that starts at pure noise.

    scheduler: keys that replace the scheduler's own, `_class_name` among them.
    time_cond: width of a guidance embedding, as latent-consistency models have.
    inpainting: the unet sees a mask and what is kept beside the latents.
    channels: of the unet's levels; benchmarks want a larger one.
    """
    torch.manual_seed(seed)
    _tokenizer(folder / "tokenizer")
    CLIPTextModel(_text_config(32)).save_pretrained(folder / "text_encoder")
    _vae(folder / "vae", latent_channels, scaling=0.18215)
    _unet(
        folder / "unet",
        latent_channels=latent_channels,
        channels=channels,
        cross_attention_dim=32,
        time_cond_proj_dim=time_cond,
        inpainting=inpainting,
    )
    rules: dict[str, Any] = {
        "_class_name": "DDIMScheduler",
        "set_alpha_to_one": False,
        "clip_sample": False,
        "steps_offset": 1,
    }
    if zero_snr:
        prediction = "v_prediction"
        rules |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    _scheduler(folder, rules | {"prediction_type": prediction} | (scheduler or {}))
    _index(
        folder,
        "StableDiffusionInpaintPipeline" if inpainting else "StableDiffusionPipeline",
        unet=["diffusers", "UNet2DConditionModel"],
        vae=["diffusers", "AutoencoderKL"],
        text_encoder=["transformers", "CLIPTextModel"],
        tokenizer=["transformers", "CLIPTokenizer"],
        safety_checker=[None, None],
        feature_extractor=[None, None],
        requires_safety_checker=False,
    )
    return folder


def sdxl(
    folder: Path,
    *,
    refiner: bool = False,
    inpainting: bool = False,
    scheduler: dict[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """An SDXL-type folder: two text encoders and micro-conditioning.

    refiner: only the second encoder, and an aesthetic score instead of the target size.
    inpainting, scheduler: as of `sd`.
    """
    torch.manual_seed(seed)
    if not refiner:
        _tokenizer(folder / "tokenizer")
        CLIPTextModel(_text_config(32)).save_pretrained(folder / "text_encoder")
    _tokenizer(folder / "tokenizer_2", pad="!")
    CLIPTextModelWithProjection(_text_config(48)).save_pretrained(folder / "text_encoder_2")
    _vae(folder / "vae", 4, scaling=0.13025, force_upcast=True)
    ids = 5 if refiner else 6
    _unet(
        folder / "unet",
        latent_channels=4,
        cross_attention_dim=48 if refiner else 80,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=48 + 8 * ids,
        use_linear_projection=True,
        inpainting=inpainting,
    )
    _scheduler(
        folder,
        {"_class_name": "EulerDiscreteScheduler", "steps_offset": 1, "timestep_spacing": "leading"}
        | (scheduler or {}),
    )
    none = [None, None]
    kind = "Img2Img" if refiner else "Inpaint" if inpainting else ""
    _index(
        folder,
        f"StableDiffusionXL{kind}Pipeline",
        unet=["diffusers", "UNet2DConditionModel"],
        vae=["diffusers", "AutoencoderKL"],
        text_encoder=none if refiner else ["transformers", "CLIPTextModel"],
        tokenizer=none if refiner else ["transformers", "CLIPTokenizer"],
        text_encoder_2=["transformers", "CLIPTextModelWithProjection"],
        tokenizer_2=["transformers", "CLIPTokenizer"],
        force_zeros_for_empty_prompt=not refiner,
        **({"requires_aesthetics_score": True} if refiner else {}),
    )
    return folder


def _unet(
    folder: Path,
    *,
    latent_channels: int,
    channels: tuple[int, ...] = (32, 64),
    inpainting: bool = False,
    **extra: Any,
) -> None:
    attending = len(channels) - 1
    UNet2DConditionModel(
        sample_size=NATIVE_SIDE // 8,
        in_channels=latent_channels * 2 + 1 if inpainting else latent_channels,
        out_channels=latent_channels,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * attending),
        up_block_types=(*["CrossAttnUpBlock2D"] * attending, "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=8,
        **extra,
    ).save_pretrained(folder)


def _vae(
    folder: Path, latent_channels: int, *, scaling: float, force_upcast: bool = False, **extra: Any
) -> None:
    AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=latent_channels,
        scaling_factor=scaling,
        sample_size=NATIVE_SIDE,
        force_upcast=force_upcast,
        **extra,
    ).save_pretrained(folder)


def _text_config(width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=514,
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )


def _tokenizer(folder: Path, *, pad: str = "<|endoftext|>") -> None:
    """CLIP's tokenizer with one token for each byte and each byte at a word's end."""
    letters = _byte_letters()
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(
        vocab={word: index for index, word in enumerate(words)},
        merges=[],
        pad_token=pad,
        model_max_length=77,
    ).save_pretrained(folder)


def _byte_letters() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(others))]


def _scheduler(folder: Path, values: dict[str, Any]) -> None:
    _write(folder / "scheduler" / "scheduler_config.json", _TRAINED | values)


def _index(folder: Path, pipeline: str, **parts: Any) -> None:
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    index = {"_class_name": pipeline, "_diffusers_version": "0.35.0", **parts}
    index["scheduler"] = ["diffusers", scheduler["_class_name"]]
    _write(folder / "model_index.json", index)


def _write(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2))
