"""The models that people use, by their published configurations, and the same in tiny."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.benchmarks.engine.traces import Mix, buckets, turbo

Config = Mapping[str, Any]

_CLIP_L = {
    "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "projection_dim": 768,
    "num_hidden_layers": 12, "num_attention_heads": 12, "hidden_act": "quick_gelu",
}  # fmt: skip
_OPEN_CLIP_H = {
    "vocab_size": 49408, "hidden_size": 1024, "intermediate_size": 4096, "projection_dim": 512,
    "num_hidden_layers": 23, "num_attention_heads": 16, "hidden_act": "gelu",
}  # fmt: skip
_OPEN_CLIP_BIG_G = {
    "vocab_size": 49408, "hidden_size": 1280, "intermediate_size": 5120, "projection_dim": 1280,
    "num_hidden_layers": 32, "num_attention_heads": 20, "hidden_act": "gelu",
}  # fmt: skip
_UNET = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
}
_KL = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One model and the jobs that it is measured with.

    texts: configurations of the text encoders; two of them make it an SDXL.
    vae, scheduler: keys of their configurations, `_class_name` among them.
    mix: the jobs whose images a second count, all of one kind. traffic: those of the traces.
    jobs, rounds: the backlogs for images a second. backlog: jobs of the mixed one, 0: no traces.
    """

    title: str
    unet: Config
    texts: tuple[Config, ...]
    vae: Config
    scheduler: Config
    mix: Mix
    traffic: Mix
    jobs: int
    rounds: int
    backlog: int

    @property
    def xl(self) -> bool:
        """Whether it has SDXL's two text encoders and micro-conditioning."""
        return len(self.texts) == 2


def _alike(side: int, *, steps: int, strength: float, guidance: float) -> Mix:
    return Mix(
        sizes=((side, side),), steps=(steps,), strengths=(strength, strength),
        guidances=(guidance,),
    )  # fmt: skip


KINDS: Mapping[str, Kind] = {
    "sd15": Kind(
        title="Stable Diffusion 1.5's size, 512², 12 steps run, guidance 7.5",
        unet={**_UNET, "cross_attention_dim": 768, "attention_head_dim": 8},
        texts=(_CLIP_L,),
        vae={**_KL, "scaling_factor": 0.18215, "sample_size": 512},
        scheduler={"_class_name": "DDIMScheduler", "steps_offset": 1, "clip_sample": False},
        mix=_alike(512, steps=20, strength=0.6, guidance=7.5),
        traffic=Mix(sizes=buckets(512)),
        jobs=64,
        rounds=3,
        backlog=200,
    ),
    "sdxl": Kind(
        title="SDXL's size, 1024², 12 steps run, guidance 7.5",
        unet={
            **_UNET,
            "sample_size": 128,
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
            "up_block_types": (*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "use_linear_projection": True,
            "cross_attention_dim": 2048,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        texts=(_CLIP_L, _OPEN_CLIP_BIG_G),
        vae={**_KL, "scaling_factor": 0.13025, "sample_size": 1024, "force_upcast": False},
        scheduler={"_class_name": "EulerDiscreteScheduler", "steps_offset": 1},
        mix=_alike(1024, steps=20, strength=0.6, guidance=7.5),
        traffic=Mix(sizes=buckets(1024)),
        jobs=16,
        rounds=3,
        backlog=40,
    ),
    "turbo": Kind(
        title="SD-Turbo's size with the tiny autoencoder, 512², 1 step run",
        unet={
            **_UNET,
            "cross_attention_dim": 1024,
            "attention_head_dim": (5, 10, 20, 20),
            "use_linear_projection": True,
        },
        texts=(_OPEN_CLIP_H,),
        vae={"_class_name": "AutoencoderTiny"},
        scheduler={
            "_class_name": "EulerDiscreteScheduler",
            "timestep_spacing": "trailing",
            "steps_offset": 1,
        },
        mix=_alike(512, steps=2, strength=0.5, guidance=1.0),
        traffic=turbo(buckets(512)),
        jobs=256,
        rounds=3,
        backlog=200,
    ),
}


def tiny(kind: Kind) -> Kind:
    """The same with next to no weights and small pictures, to try the code on any machine."""
    texts = tuple(
        {**text, "vocab_size": 514, "hidden_size": 32, "intermediate_size": 32,
         "projection_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        for text in kind.texts
    )  # fmt: skip
    levels = len(kind.unet["block_out_channels"])
    unet = {
        **kind.unet,
        "sample_size": 8,
        "layers_per_block": 1,
        "block_out_channels": (16,) * levels,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "transformer_layers_per_block": 1,
        "cross_attention_dim": 32 * len(texts),
    }
    if kind.xl:
        unet |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 32 + 48}
    widths = (8, 8, 8, 8)
    if kind.vae["_class_name"] == "AutoencoderTiny":
        smaller: Config = {
            "encoder_block_out_channels": widths,
            "decoder_block_out_channels": widths,
        }
    else:
        smaller = {"layers_per_block": 1, "block_out_channels": widths, "norm_num_groups": 4}
    mix = replace(kind.mix, sizes=((64, 64),), steps=(min(4, *kind.mix.steps),))
    traffic = replace(kind.traffic, sizes=((64, 64),), steps=(2, 4))
    return replace(
        kind, title=f"tiny: {kind.title}", unet=unet, texts=texts,
        vae={**kind.vae, **smaller}, mix=mix, traffic=traffic,
        jobs=2, rounds=1, backlog=min(kind.backlog, 2),
    )  # fmt: skip
