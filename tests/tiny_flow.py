"""Tiny diffusers folders of flow-matching transformers, built without a network; see `tests.tiny`.

`sd3` and `flux` write a folder and return its path; the weights depend only on the seed.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from tests import tiny

MAX_SIDE = 256
"""The largest side in pixels that the tiny SD3 has positions for."""

_T5_WIDTH = 96
_LATENT_CHANNELS = 4
_NONE = [None, None]


def sd3(
    folder: Path,
    *,
    t5: bool = True,
    scheduler: dict[str, Any] | None = None,
    channels: int = _LATENT_CHANNELS,
    seed: int = 0,
) -> Path:
    """An SD 3.5-type folder.

    t5: whether it has the third text encoder. scheduler: keys that replace the scheduler's own.
    channels: of the latents; the real one has 16.
    """
    torch.manual_seed(seed)
    tiny._tokenizer(folder / "tokenizer")
    tiny._tokenizer(folder / "tokenizer_2", pad="!")
    CLIPTextModelWithProjection(tiny._text_config(32)).save_pretrained(folder / "text_encoder")
    CLIPTextModelWithProjection(tiny._text_config(48)).save_pretrained(folder / "text_encoder_2")
    if t5:
        _t5(folder / "tokenizer_3", folder / "text_encoder_3")
    _vae(folder / "vae", channels, scaling=1.5305, shift=0.0609)
    SD3Transformer2DModel(
        sample_size=tiny.NATIVE_SIDE // 8,
        patch_size=2,
        in_channels=channels,
        out_channels=channels,
        num_layers=3,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=_T5_WIDTH,
        pooled_projection_dim=32 + 48,
        pos_embed_max_size=MAX_SIDE // 16,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    ).save_pretrained(folder / "transformer")
    _scheduler(folder, {"shift": 3.0} | (scheduler or {}))
    tiny._index(
        folder,
        "StableDiffusion3Pipeline",
        transformer=["diffusers", "SD3Transformer2DModel"],
        vae=["diffusers", "AutoencoderKL"],
        text_encoder=["transformers", "CLIPTextModelWithProjection"],
        tokenizer=["transformers", "CLIPTokenizer"],
        text_encoder_2=["transformers", "CLIPTextModelWithProjection"],
        tokenizer_2=["transformers", "CLIPTokenizer"],
        text_encoder_3=["transformers", "T5EncoderModel"] if t5 else _NONE,
        tokenizer_3=["transformers", "T5TokenizerFast"] if t5 else _NONE,
    )
    return folder


def flux(folder: Path, *, guidance: bool = True, seed: int = 0) -> Path:
    """A Flux-type folder.

    guidance: whether it takes guidance as an input, as dev does, and shifts its schedule by the
        picture's size; else it is like schnell.
    """
    torch.manual_seed(seed)
    tiny._tokenizer(folder / "tokenizer")
    CLIPTextModel(tiny._text_config(32)).save_pretrained(folder / "text_encoder")
    _t5(folder / "tokenizer_2", folder / "text_encoder_2")
    _vae(folder / "vae", _LATENT_CHANNELS, scaling=0.3611, shift=0.1159)
    FluxTransformer2DModel(
        in_channels=4 * _LATENT_CHANNELS,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_T5_WIDTH,
        pooled_projection_dim=32,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 6, 6),
    ).save_pretrained(folder / "transformer")
    _scheduler(
        folder,
        {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
        if guidance
        else {"shift": 1.0, "use_dynamic_shifting": False},
    )
    tiny._index(
        folder,
        "FluxPipeline",
        transformer=["diffusers", "FluxTransformer2DModel"],
        vae=["diffusers", "AutoencoderKL"],
        text_encoder=["transformers", "CLIPTextModel"],
        tokenizer=["transformers", "CLIPTokenizer"],
        text_encoder_2=["transformers", "T5EncoderModel"],
        tokenizer_2=["transformers", "T5TokenizerFast"],
    )
    return folder


def _vae(folder: Path, channels: int, *, scaling: float, shift: float) -> None:
    tiny._vae(
        folder,
        channels,
        scaling=scaling,
        force_upcast=True,
        shift_factor=shift,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _t5(tokenizer: Path, encoder: Path) -> None:
    """T5's tokenizer with a piece for each printable ASCII character and some words."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(chr(code), -6.0) for code in range(33, 127)]
    pieces += [(f"▁{word}", -4.0) for word in ("a", "the", "red", "house", "fox", "sea")]
    T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512).save_pretrained(tokenizer)
    T5EncoderModel(
        T5Config(
            vocab_size=len(pieces),
            d_model=_T5_WIDTH,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    ).save_pretrained(encoder)


def _scheduler(folder: Path, values: dict[str, Any]) -> None:
    # Unlike in `tiny`, a flow's configuration has no betas.
    path = folder / "scheduler" / "scheduler_config.json"
    tiny._write(
        path,
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000} | values,
    )
