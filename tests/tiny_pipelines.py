"""Tiny diffusers folders of models that run through their own pipelines; see `tests.tiny`.

Each function writes a folder and returns its path; the weights depend only on the seed.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderTiny,
    PixArtTransformer2DModel,
    PriorTransformer,
    UNet2DConditionModel,
    VQModel,
)
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import (
    StableUnCLIPImageNormalizer,
)
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from tests import tiny, tiny_flow
from tests.tiny_qwen import qwen_edit, z_image

__all__ = [
    "instruct_pix2pix",
    "kandinsky",
    "kontext",
    "pixart",
    "qwen_edit",
    "taesd",
    "unclip",
    "z_image",
]

_NONE = [None, None]
_CHANNELS = 4


def instruct_pix2pix(folder: Path, *, checker: bool = False, seed: int = 0) -> Path:
    """InstructPix2Pix: an SD 1-type model whose unet sees the source's latents beside its own.

    checker: whether the index names a safety checker and what it needs, as the published model's
        does.
    """
    torch.manual_seed(seed)
    tiny._tokenizer(folder / "tokenizer")
    CLIPTextModel(tiny._text_config(32)).save_pretrained(folder / "text_encoder")
    tiny._vae(folder / "vae", _CHANNELS, scaling=0.18215)
    UNet2DConditionModel(
        sample_size=tiny.NATIVE_SIDE // 8,
        in_channels=2 * _CHANNELS,
        out_channels=_CHANNELS,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=8,
        cross_attention_dim=32,
    ).save_pretrained(folder / "unet")
    tiny._scheduler(
        folder, {"_class_name": "EulerAncestralDiscreteScheduler", "prediction_type": "epsilon"}
    )
    tiny._index(
        folder,
        "StableDiffusionInstructPix2PixPipeline",
        unet=["diffusers", "UNet2DConditionModel"],
        vae=["diffusers", "AutoencoderKL"],
        text_encoder=["transformers", "CLIPTextModel"],
        tokenizer=["transformers", "CLIPTokenizer"],
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"] if checker else _NONE,
        feature_extractor=["transformers", "CLIPFeatureExtractor"] if checker else _NONE,
        image_encoder=_NONE,
        requires_safety_checker=checker,
    )
    if checker:
        tiny._write(
            folder / "feature_extractor" / "preprocessor_config.json",
            {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224},
        )
    return folder


def kontext(folder: Path, *, seed: int = 0) -> Path:
    """FLUX.1 Kontext: Flux, but with the source's latents behind its own in the sequence."""
    tiny_flow.flux(folder, seed=seed)
    _rename(folder, "FluxKontextPipeline", image_encoder=_NONE, feature_extractor=_NONE)
    return folder


def pixart(folder: Path, *, seed: int = 0) -> Path:
    """PixArt-Σ, for which diffusers has no image-to-image pipeline."""
    torch.manual_seed(seed)
    tiny_flow._t5(folder / "tokenizer", folder / "text_encoder")
    tiny._vae(folder / "vae", _CHANNELS, scaling=0.13025)
    PixArtTransformer2DModel(
        sample_size=32,  # the smallest that diffusers has a table of shapes for
        patch_size=2,
        in_channels=_CHANNELS,
        out_channels=2 * _CHANNELS,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        cross_attention_dim=16,
        caption_channels=tiny_flow._T5_WIDTH,
        use_additional_conditions=False,
    ).save_pretrained(folder / "transformer")
    tiny._scheduler(folder, {"_class_name": "DPMSolverMultistepScheduler"})
    tiny._index(
        folder,
        "PixArtSigmaPipeline",
        transformer=["diffusers", "PixArtTransformer2DModel"],
        vae=["diffusers", "AutoencoderKL"],
        text_encoder=["transformers", "T5EncoderModel"],
        tokenizer=["transformers", "T5TokenizerFast"],
    )
    return folder


def taesd(folder: Path, *, channels: int = _CHANNELS, levels: int = 4, seed: int = 0) -> Path:
    """An autoencoder alone, of TAESD's kind. levels: pixels per latent are 2 ** (levels - 1)."""
    torch.manual_seed(seed)
    AutoencoderTiny(
        encoder_block_out_channels=(8,) * levels,
        decoder_block_out_channels=(8,) * levels,
        num_encoder_blocks=(1,) * levels,
        num_decoder_blocks=(1,) * levels,
        latent_channels=channels,
    ).save_pretrained(folder)
    return folder


def _rename(folder: Path, pipeline: str, **parts: Any) -> None:
    """Makes the folder's index name another pipeline, with further parts."""
    path = folder / "model_index.json"
    index = tiny.json.loads(path.read_text())
    tiny._write(path, index | {"_class_name": pipeline} | parts)


def kandinsky(folder: Path, *, seed: int = 0) -> Path:
    """Kandinsky 2.2, both halves: a prior from words to what a picture means, then a decoder."""
    torch.manual_seed(seed)
    tiny._tokenizer(folder / "prior_tokenizer")
    CLIPTextModelWithProjection(tiny._text_config(32)).save_pretrained(
        folder / "prior_text_encoder"
    )
    _image_encoder(folder / "prior_image_encoder", folder / "prior_image_processor")
    PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, num_layers=1, embedding_dim=32
    ).save_pretrained(folder / "prior_prior")
    UNet2DConditionModel(
        sample_size=tiny.NATIVE_SIDE // 8,
        in_channels=_CHANNELS,
        out_channels=2 * _CHANNELS,  # it foretells the variance too
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=8,
        cross_attention_dim=32,
        addition_embed_type="image",
        encoder_hid_dim=32,
        encoder_hid_dim_type="image_proj",
    ).save_pretrained(folder / "unet")
    VQModel(
        block_out_channels=(32,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
        latent_channels=_CHANNELS,
        vq_embed_dim=_CHANNELS,
        num_vq_embeddings=16,
        norm_type="spatial",
    ).save_pretrained(folder / "movq")
    tiny._scheduler(folder, {"_class_name": "DDPMScheduler"})
    tiny._write(
        folder / "prior_scheduler" / "scheduler_config.json",
        {"_class_name": "UnCLIPScheduler", "prediction_type": "sample", "clip_sample_range": 5.0},
    )
    tiny._index(
        folder,
        "KandinskyV22CombinedPipeline",
        unet=["diffusers", "UNet2DConditionModel"],
        movq=["diffusers", "VQModel"],
        prior_prior=["diffusers", "PriorTransformer"],
        prior_image_encoder=["transformers", "CLIPVisionModelWithProjection"],
        prior_text_encoder=["transformers", "CLIPTextModelWithProjection"],
        prior_tokenizer=["transformers", "CLIPTokenizer"],
        prior_scheduler=["diffusers", "UnCLIPScheduler"],
        prior_image_processor=["transformers", "CLIPImageProcessor"],
    )
    return folder


def unclip(folder: Path, *, seed: int = 0) -> Path:
    """Stable unCLIP, which paints variations of what a picture means; a part is its own class."""
    tiny.sd(folder, seed=seed)
    _image_encoder(folder / "image_encoder", folder / "feature_extractor")
    normalizer = StableUnCLIPImageNormalizer(embedding_dim=32)
    torch.nn.init.constant_(normalizer.mean, 7)
    normalizer.save_pretrained(folder / "image_normalizer")
    tiny._write(
        folder / "image_noising_scheduler" / "scheduler_config.json",
        {"_class_name": "DDPMScheduler"},
    )
    tiny._unet(
        folder / "unet",
        latent_channels=_CHANNELS,
        cross_attention_dim=32,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=64,
    )
    _rename(
        folder,
        "StableUnCLIPImg2ImgPipeline",
        image_encoder=["transformers", "CLIPVisionModelWithProjection"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
        image_normalizer=["stable_diffusion", "StableUnCLIPImageNormalizer"],
        image_noising_scheduler=["diffusers", "DDPMScheduler"],
    )
    return folder


def _image_encoder(folder: Path, processor: Path) -> None:
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=32,
            projection_dim=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
        )
    ).save_pretrained(folder)
    CLIPImageProcessorPil(size=32, crop_size=32).save_pretrained(processor)
