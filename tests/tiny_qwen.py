"""Tiny folders of models that a Qwen language model steers; see `tests.tiny_pipelines`."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    QwenImageTransformer2DModel,
    ZImageTransformer2DModel,
)
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tests import tiny

_CHANNELS = 4
_WIDTH = 48
_FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}
_SHIFTED = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}

# The chat that Qwen's tokenizers make of a message, as far as Z-Image uses it.
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def z_image(folder: Path, *, seed: int = 0) -> Path:
    """Z-Image, saved as text-to-image models are; steered by a Qwen3 language model."""
    torch.manual_seed(seed)
    words = _qwen_tokenizer()
    words.chat_template = _CHAT
    words.save_pretrained(folder / "tokenizer")
    Qwen3Model(
        Qwen3Config(
            vocab_size=len(words),
            hidden_size=_WIDTH,
            intermediate_size=_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=1024,
        )
    ).save_pretrained(folder / "text_encoder")
    tiny._vae(folder / "vae", _CHANNELS, scaling=0.3611, shift_factor=0.1159)
    transformer = ZImageTransformer2DModel(
        in_channels=_CHANNELS,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=_WIDTH,
        axes_dims=[4, 6, 6],
    )
    _stir(transformer).save_pretrained(folder / "transformer")
    tiny._write(folder / "scheduler" / "scheduler_config.json", _FLOW | {"shift": 3.0})
    tiny._index(
        folder,
        "ZImagePipeline",
        transformer=["diffusers", "ZImageTransformer2DModel"],
        vae=["diffusers", "AutoencoderKL"],
        text_encoder=["transformers", "Qwen3Model"],
        tokenizer=["transformers", "Qwen2Tokenizer"],
    )
    return folder


def qwen_edit(folder: Path, *, seed: int = 0) -> Path:
    """Qwen-Image-Edit: a vision-language model reads the prompt and looks at the source."""
    torch.manual_seed(seed)
    words = _qwen_tokenizer()
    words.save_pretrained(folder / "tokenizer")
    words.save_pretrained(folder / "processor")
    side = 2 * 28
    Qwen2VLImageProcessorPil(min_pixels=side**2, max_pixels=side**2).save_pretrained(
        folder / "processor"
    )
    Qwen2_5_VLForConditionalGeneration(_qwen_vl(words)).save_pretrained(folder / "text_encoder")
    AutoencoderKLQwenImage(
        base_dim=2,
        z_dim=_CHANNELS,
        dim_mult=[1, 1, 2, 2],
        num_res_blocks=1,
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.5, 2.0, 0.7, 1.0],
    ).save_pretrained(folder / "vae")
    transformer = QwenImageTransformer2DModel(
        in_channels=4 * _CHANNELS,
        out_channels=_CHANNELS,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_WIDTH,
        axes_dims_rope=(4, 6, 6),
    )
    _stir(transformer).save_pretrained(folder / "transformer")
    tiny._write(folder / "scheduler" / "scheduler_config.json", _FLOW | _SHIFTED)
    tiny._index(
        folder,
        "QwenImageEditPipeline",
        transformer=["diffusers", "QwenImageTransformer2DModel"],
        vae=["diffusers", "AutoencoderKLQwenImage"],
        text_encoder=["transformers", "Qwen2_5_VLForConditionalGeneration"],
        tokenizer=["transformers", "Qwen2Tokenizer"],
        processor=["transformers", "Qwen2VLProcessor"],
    )
    return folder


def _stir(module: torch.nn.Module) -> Any:
    """Adds noise: what such a model starts its training with, zeros, would hide its inputs."""
    with torch.no_grad():
        for weights in module.parameters():
            weights.add_(torch.randn_like(weights) * 0.05)
    return module


def _qwen_tokenizer() -> Qwen2Tokenizer:
    """Qwen's tokenizer with a token for each byte, and the marks of its chats."""
    special = ["im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad"]
    return Qwen2Tokenizer(
        vocab={letter: index for index, letter in enumerate(tiny._byte_letters())},
        merges=[],
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=[f"<|{name}|>" for name in special],
        model_max_length=1024,
    )


def _qwen_vl(words: Qwen2Tokenizer) -> Qwen2_5_VLConfig:
    def mark(name: str) -> int:
        return int(words.convert_tokens_to_ids(f"<|{name}|>"))

    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": _WIDTH,
            "intermediate_size": _WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "rope_scaling": {"type": "mrope", "mrope_section": [4, 4, 4]},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": _WIDTH,
            "fullatt_block_indexes": [1],
        },
        image_token_id=mark("image_pad"),
        video_token_id=mark("video_pad"),
        vision_start_token_id=mark("vision_start"),
        vision_end_token_id=mark("vision_end"),
    )
