"""A ControlNet beside a UNet: a second network that sees a drawing and steers the first by it.

Zhang, Rao and Agrawala 2023, arXiv:2302.05543. In every step it works on the same latents, and what
it makes of each of the UNet's levels is added there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.control_info import ControlInfo
from inference.errors import ModelError
from inference.executors.memory import room_for_models
from inference.families.conditioning import Control, Row
from inference.families.folder import ModelFolder
from inference.families.packed import pack
from inference.families.sending import send
from inference.families.weights import load_weights
from inference.model_info import latent_geometry

PART = "controlnet"
_CLASS = "ControlNetModel"

# What decides whether it speaks the UNet's language, with diffusers' defaults for both.
_SHARED: tuple[tuple[str, Any], ...] = (
    ("cross_attention_dim", 1280),
    ("block_out_channels", [320, 640, 1280, 1280]),
    ("layers_per_block", 2),
    ("addition_embed_type", None),
    ("projection_class_embeddings_input_dim", None),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlNet:
    """network: diffusers' ControlNetModel."""

    network: Any

    def residuals(self, controls: Sequence[Control], **inputs: Any) -> dict[str, Any]:
        """What the UNet takes besides, for rows that all have a control.

        inputs: the UNet's own, `sample` [rows, C, h, w] among them; what a ControlNet does not
        know of these is left out.
        """
        sample: Tensor = inputs["sample"]
        pictures = torch.cat([each.picture for each in controls]).to(sample.dtype)
        scales = torch.tensor([each.scale for each in controls], dtype=sample.dtype)
        down, middle = self.network(
            # Of an inpainting UNet's input only the latents: it has channels for a mask besides.
            sample=sample[:, : self.network.config.in_channels],
            timestep=inputs["timestep"],
            encoder_hidden_states=inputs["encoder_hidden_states"],
            controlnet_cond=pictures.to(memory_format=torch.channels_last),
            conditioning_scale=send(scales, sample.device)[:, None, None, None],
            added_cond_kwargs=inputs["added_cond_kwargs"],
            return_dict=False,
        )
        return {
            "down_block_additional_residuals": down,
            "mid_block_additional_residual": middle,
        }


def controlled(
    rows: Sequence[Row], picture: NDArray[np.uint8], scale: float, device: torch.device
) -> tuple[Row, ...]:
    """The same rows, steered by a picture; the unconditional one too, as diffusers has it.

    picture: [height, width, 3] at the size that the model works at.
    """
    values = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    control = Control(picture=send(values.contiguous(), device), scale=scale)
    return tuple(replace(row, control=control) for row in rows)


def check_control(folder: ModelFolder) -> None:
    """Raises ModelError that names the file at fault, before any weight is read.

    A ControlNet that was made for another base is told by sizes that differ from the UNet's.
    """
    if folder.control is None:
        return
    config, unet = folder.config(PART), folder.config("unet")
    path = folder.require(PART) / "config.json"
    folder.variant(PART)
    if config.get("_class_name", _CLASS) != _CLASS:
        raise ModelError(
            f"{path} is of a kind that is not supported, {config['_class_name']}; {_CLASS} is."
        )
    if config.get("global_pool_conditions"):
        raise ModelError(f"{path} has global_pool_conditions: such a one looks at no drawing.")
    channels, factor = latent_geometry(folder.config("vae"))
    sees = config.get("conditioning_embedding_out_channels") or [16, 32, 96, 256]
    for name, given, wanted in (
        *((name, config.get(name, usual), unet.get(name, usual)) for name, usual in _SHARED),
        ("in_channels", config.get("in_channels", 4), channels),
        ("conditioning_channels", config.get("conditioning_channels", 3), 3),
        ("pixels for one latent", 2 ** (len(sees) - 1), factor),
    ):
        if given != wanted:
            raise ModelError(
                f"{path} is made for another base model: its {name} is {given}, and that of "
                f"{folder.path} is {wanted}."
            )


def load_control(
    folder: ModelFolder, *, dtype: torch.dtype, device: torch.device
) -> ControlNet | None:
    """The ControlNet that the folder names, if it does. Raises ModelError that names the file."""
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if folder.control is None:
        return None
    network = load_weights(folder, ControlNetModel, PART, dtype=dtype, device=device)
    network.to(memory_format=torch.channels_last)
    if device.type == "cpu":
        pack(network, room=room_for_models("cpu"))
    return ControlNet(network=network)


def with_control(folder: ModelFolder, control: ControlInfo | None) -> ModelFolder:
    """The same model folder with the ControlNet that its files name."""
    if control is None:
        return folder
    return ModelFolder(folder.path, vae=folder.vae, control=Path(control.folder))
