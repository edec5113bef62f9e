"""Reads the image adapter that lies beside a model.

Its folder holds `image_encoder/`, a CLIPVisionModelWithProjection, and one file of weights with the
names of the published IP-Adapters: `image_proj.proj`, `image_proj.norm`, and for the i-th
cross-attention (in the order of diffusers' `attn_processors`) `ip_adapter.{2i+1}.to_k_ip` and
`to_v_ip`. So do those that `python -m inference.training adapter` writes.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from inference.errors import ModelError
from inference.families.folder import ModelFolder, check_safetensors
from inference.families.image_attention import is_plain
from inference.families.image_layers import keeps_of
from inference.families.image_prompt import ImageAdapter, ImageLayer, PictureEncoder
from inference.families.parts import load_part
from inference.families.quiet import quiet
from inference.families.weights import load_weights
from inference.image_adapter_info import TELLS
from inference.safetensors_file import read_header

PART = "image_encoder"
_CLASS = "CLIPVisionModelWithProjection"
_PROJECTION = (("image_proj.proj.weight", 2), ("image_proj.norm.weight", 1))


class ImageProjection(nn.Module):
    """From a picture's vector, [rows, m], to its tokens, [rows, n, width].

    weights: of the file. Raises KeyError for a missing one.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        matrix = weights["image_proj.proj.weight"]
        width = len(weights["image_proj.norm.weight"])
        with torch.device("meta"):
            self.proj = nn.Linear(matrix.shape[1], matrix.shape[0])
            self.norm = nn.LayerNorm(width)
        own = {name: weights[f"image_proj.{name}"] for name in self.state_dict()}
        self.load_state_dict(own, assign=True)

    def forward(self, vector: Tensor) -> Tensor:
        """The tokens, normalised."""
        tokens: Tensor = self.norm(self.proj(vector).unflatten(1, (-1, self.norm.weight.shape[0])))
        return tokens


def with_image_adapter(folder: ModelFolder, adapter: str | None) -> ModelFolder:
    """The same model folder with the image adapter that its files name."""
    if adapter is None:
        return folder
    return ModelFolder(
        folder.path, vae=folder.vae, control=folder.control, image_adapter=Path(adapter)
    )


def check_image_adapter(folder: ModelFolder) -> None:
    """Raises ModelError that names the file at fault, before any weight is read.

    An adapter that was made for another base is told by the width of its tokens.
    """
    if folder.image_adapter is None:
        return
    config = folder.config(PART)
    folder.variant(PART)
    kind = (config.get("architectures") or [_CLASS])[0]
    if kind != _CLASS:
        path = folder.image_adapter / PART / "config.json"
        raise ModelError(f"{path} is of a kind that is not supported, {kind}; {_CLASS} is.")
    path = _weights_file(folder.image_adapter)
    check_safetensors(path)
    shapes = read_header(path).shapes
    if any(len(shapes.get(name, ())) != sides for name, sides in _PROJECTION):
        raise ModelError(
            f"{path} is no plain image adapter; such as “plus” or for faces are not supported."
        )
    (outputs, inputs), (width,) = (shapes[name] for name, _ in _PROJECTION)
    wanted = folder.config("unet").get("cross_attention_dim", 1280)
    if width != wanted or outputs % width:
        raise ModelError(
            f"{path} is made for another base model: its tokens are {width} wide, and the "
            f"cross-attention of {folder.path} reads {wanted}."
        )
    vector = config.get("projection_dim", 512)
    if inputs != vector:
        raise ModelError(
            f"{path} is made for another image encoder: it reads vectors of {inputs}, and that "
            f"beside it makes {vector}."
        )


def load_image_adapter(
    folder: ModelFolder,
    unet: Any,
    *,
    xl: bool,
    dtype: torch.dtype,
    encoder_dtype: torch.dtype,
    device: torch.device,
) -> ImageAdapter | None:
    """The adapter that the folder names, if it does, for a UNet of that folder.

    xl: whether it is SDXL's kind of UNet. dtype: of what is added to the UNet.

    Raises ModelError that names the file at fault.
    """
    from transformers import CLIPVisionModelWithProjection

    if folder.image_adapter is None:
        return None
    path = _weights_file(folder.image_adapter)
    weights = load_file(path)
    try:
        projection = ImageProjection(weights).to(device, encoder_dtype)
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged: {error}.") from error
    network = load_weights(
        folder, CLIPVisionModelWithProjection, PART, dtype=encoder_dtype, device=device
    )
    return ImageAdapter(
        encoder=PictureEncoder(
            _processor(folder, int(network.config.image_size)),
            network,
            projection.eval().requires_grad_(False),
        ),
        layers=_layers(path, weights, unet, xl=xl, dtype=dtype, device=device),
    )


def _layers(
    path: Path,
    weights: dict[str, Tensor],
    unet: Any,
    *,
    xl: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[ImageLayer, ...]:
    ends = [name.removesuffix(".processor") for name in unet.attn_processors]
    names = [name for name in ends if not name.endswith("attn1")]
    keeps = keeps_of(names, xl=xl)
    if read_header(path).metadata.get(TELLS) == "style":
        keeps = {name: kept | {"style"} for name, kept in keeps.items()}
    if not {"style", "composition"} <= frozenset().union(*keeps.values()):
        raise ModelError(
            f"{path} does not suit the UNet, which has no cross-attention on one side."
        )
    layers = []
    for number, name in enumerate(names):
        attention = unet.get_submodule(name)
        if not is_plain(attention):
            raise ModelError(f"The attention of this model's UNet takes no image adapter: {name}.")
        both = []
        for own, end in ((attention.to_k, "to_k_ip"), (attention.to_v, "to_v_ip")):
            key = f"ip_adapter.{2 * number + 1}.{end}.weight"
            if key not in weights or weights[key].shape != own.weight.shape:
                raise ModelError(
                    f"{path} does not fit the UNet: {key} is missing or of another shape."
                )
            both.append(weights[key].to(device, dtype))
        layers.append(
            ImageLayer(attention=attention, keys=both[0], values=both[1], keeps=keeps[name])
        )
    return tuple(layers)


def _weights_file(adapter: Path) -> Path:
    """Its one file of weights."""
    found = sorted(adapter.glob("*.safetensors"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise ModelError(f"{adapter} holds several image adapters ({names}); leave one there.")
    raise ModelError(f"{adapter} holds no image adapter (no .safetensors file).")


def _processor(folder: ModelFolder, side: int) -> Any:
    """The image encoder's own, else what CLIP was trained with, at this side in pixels."""
    with quiet():  # to import it brings advice on what to install
        from transformers import CLIPImageProcessor
    path = folder.require(PART)
    if (path / "preprocessor_config.json").is_file():
        return load_part(CLIPImageProcessor, path)
    return CLIPImageProcessor(size=side, crop_size=side)
