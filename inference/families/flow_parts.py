"""Whether a flow-matching model's folder is whole, told before the first weight is read."""

from collections.abc import Sequence

from inference.errors import ModelError
from inference.families.folder import ModelFolder


def check_sd3(folder: ModelFolder) -> None:
    """Raises ModelError that names the file at fault. The third text encoder may be absent."""
    clips = ["text_encoder", "text_encoder_2"]
    third = ["text_encoder_3"] if folder.has("text_encoder_3") else []
    _check_files(folder, clips, third)
    configs = [folder.config(part) for part in clips]
    pooled = sum(config.get("projection_dim", 512) for config in configs)
    tokens = sum(config.get("hidden_size", 512) for config in configs)
    latents = folder.config("vae").get("latent_channels", 4)
    _agree(folder, "in_channels", 16, latents, "the channels of the vae's latents are")
    _agree(folder, "pooled_projection_dim", 2048, pooled, "the CLIP encoders give together")
    width = folder.config("transformer").get("joint_attention_dim", 4096)
    if third:
        given = folder.config("text_encoder_3").get("d_model", 512)
        _agree(folder, "joint_attention_dim", 4096, given, "text_encoder_3 gives")
    if tokens > width:
        _agree(folder, "joint_attention_dim", 4096, tokens, "the CLIP encoders give together")


def check_flux(folder: ModelFolder) -> None:
    """Raises ModelError that names the file at fault."""
    _check_files(folder, ["text_encoder"], ["text_encoder_2"])
    latents = folder.config("vae").get("latent_channels", 4)
    pooled = folder.config("text_encoder").get("hidden_size", 512)
    given = folder.config("text_encoder_2").get("d_model", 512)
    _agree(folder, "in_channels", 64, 4 * latents, "the channels of 2×2 of the vae's latents are")
    _agree(folder, "pooled_projection_dim", 768, pooled, "text_encoder gives")
    _agree(folder, "joint_attention_dim", 4096, given, "text_encoder_2 gives")


def _check_files(folder: ModelFolder, clips: Sequence[str], t5: Sequence[str]) -> None:
    for part in ("transformer", "vae", *clips, *t5):
        folder.config(part)
        folder.variant(part)
    for part in clips:
        folder.require_vocabulary(part.replace("text_encoder", "tokenizer"))
    for part in t5:
        # T5's older spiece.model alone would need another library to be read.
        words = folder.require(part.replace("text_encoder", "tokenizer")) / "tokenizer.json"
        if not words.is_file():
            raise ModelError(f"{words} is missing.")
    folder.config("scheduler", "scheduler_config.json")


def _agree(folder: ModelFolder, name: str, default: int, wanted: int, giver: str) -> None:
    value = folder.config("transformer").get(name, default)
    if value != wanted:
        raise ModelError(
            f"{folder.path / 'transformer' / 'config.json'} has {name} {value}, but "
            f"{giver} {wanted}."
        )
