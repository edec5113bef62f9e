"""A LoRA's file as the matrices that change each layer, checked against the networks."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from inference.errors import RequestError
from inference.families.flux_names import as_in_diffusers, is_flux
from inference.lora_header import split_name
from inference.model_info import ModelInfo
from inference.shelf import LoraFile

Networks = Mapping[str, nn.Module]
"""The networks of a model that a LoRA may change, by what diffusers calls them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LoraPair:
    """What one layer gains, scale × up · down (Hu et al. 2021, arXiv:2106.09685, eq. 3).

    down: [rank, inputs] or, of a convolution, [rank, inputs, h, w]; up: [outputs, rank] or
        [outputs, rank, 1, 1]; both in the layer's precision. scale: α / rank.
    """

    down: Tensor
    up: Tensor
    scale: float


LoraPairs = Mapping[str, Mapping[str, LoraPair]]
"""Pairs by the name of the network and of the layer in it."""


def read_lora(file: LoraFile, networks: Networks, model: ModelInfo) -> LoraPairs:
    """All of a file, or nothing: every matrix in it must fit a layer.

    model: whose networks they are. Raises RequestError, with both names.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file.path, framework="pt") as content:
            metadata = content.metadata() or {}
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RequestError(f"The LoRA “{file.name}” cannot be read: {error}.") from error
    try:
        return _pairs(tensors, metadata, networks)
    except _Misfit as error:
        base = file.facts.base
        made = f" (made for {base})" if base and base != model.architecture else ""
        raise RequestError(
            f"The LoRA “{file.name}”{made} does not fit the model “{model.id}” "
            f"({model.architecture}): {error}."
        ) from error


class _Misfit(Exception):
    """Why a LoRA cannot be used, as the second half of a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Half:
    """One matrix. source: the layer as the file calls it."""

    tensor: Tensor
    source: str
    role: str


def _pairs(
    tensors: dict[str, Tensor], metadata: Mapping[str, str], networks: Networks
) -> LoraPairs:
    # The converters rename layers and drop what they do not know, but they keep the tensors: by
    # those each matrix is found again, whatever became of its name.
    if is_flux(networks):
        tensors = _of_flux(tensors, networks)
    halves: dict[int, _Half] = {}
    alphas: dict[str, float] = {}
    for name, tensor in tensors.items():
        layer, role = split_name(name) or ("", "")
        if role == "alpha":
            alphas[layer] = float(tensor)
        else:
            halves[id(tensor)] = _Half(tensor=tensor, source=layer, role=role)
    matrices = {name: tensor for name, tensor in tensors.items() if not name.endswith(".alpha")}
    found: dict[tuple[str, str], dict[str, _Half]] = {}
    for name, tensor in _converted(matrices, networks).items():
        half = halves.pop(id(tensor), None)
        if half is None:
            raise _Misfit(f"“{name}” is there twice")
        found.setdefault(_layer_of(name, networks), {})[half.role] = half
    if halves:
        raise _Misfit(f"it has no layer “{next(iter(halves.values())).source}”")
    rules = _Rules(metadata)
    pairs: dict[str, dict[str, LoraPair]] = {network: {} for network in networks}
    for (network, layer), both in found.items():
        if both.keys() != {"down", "up"}:
            raise _Misfit(f"half of “{layer}” is missing")
        rank = both["down"].tensor.shape[0]
        alpha = alphas.get(both["down"].source)
        scale = rules.scale(network, layer, rank) if alpha is None else alpha / rank
        pairs[network][layer] = _fitted(networks[network].get_submodule(layer), layer, both, scale)
    return pairs


def _of_flux(tensors: dict[str, Tensor], networks: Networks) -> dict[str, Tensor]:
    try:
        return as_in_diffusers(tensors, networks)
    except ValueError as error:
        raise _Misfit(str(error)) from error


def _converted(tensors: dict[str, Tensor], networks: Networks) -> dict[str, Tensor]:
    """Under the names that diffusers and peft use today. Raises _Misfit."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin
    from diffusers.utils.state_dict_utils import (
        convert_state_dict_to_diffusers,
        convert_state_dict_to_peft,
        convert_unet_state_dict_to_peft,
    )

    unet = networks.get("unet")
    kohyas = [name for name in tensors if name.startswith("lora_")]
    if kohyas and is_flux(networks):
        raise _Misfit(f"it has no layer “{kohyas[0].partition('.')[0]}”")
    if kohyas and unet is None:
        raise _Misfit("kohya's naming is read for Stable Diffusion, SDXL and Flux only")
    try:
        named, _ = StableDiffusionLoraLoaderMixin.lora_state_dict(
            dict(tensors), unet_config=None if unet is None else unet.config
        )
        result: dict[str, Tensor] = {}
        for network in networks:
            part = {k: v for k, v in named.items() if k.startswith(f"{network}.")}
            if not part:
                continue
            if network.startswith("text_encoder"):
                part = convert_state_dict_to_peft(convert_state_dict_to_diffusers(part))
            else:
                part = convert_unet_state_dict_to_peft(part)
            result |= part
    # What their string surgery raises depends on where it stumbles.
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise _Misfit(f"its layers cannot be told apart ({str(error).strip()[:200]})") from error
    return result


def _layer_of(name: str, networks: Networks) -> tuple[str, str]:
    """Network and layer of a converted name. Raises _Misfit."""
    network, _, rest = name.partition(".")
    layer = re.sub(r"\.lora_[AB]\.weight$", "", rest)
    for candidate in (layer, layer.removeprefix("text_model."), f"text_model.{layer}"):
        try:
            networks[network].get_submodule(candidate)
        except AttributeError:
            continue
        return network, candidate
    raise _Misfit(f"it has no layer “{network}.{layer}”")


def _fitted(layer: nn.Module, name: str, both: Mapping[str, _Half], scale: float) -> LoraPair:
    """The pair in the layer's precision. Raises _Misfit for another kind of layer or shape."""
    plain = isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
    if not plain:
        raise _Misfit(f"its “{name}” is no layer that a LoRA can change")
    weight: Any = layer.weight
    outputs, inputs, *window = weight.shape
    down, up = both["down"].tensor, both["up"].tensor
    rank = down.shape[0]
    shapes = (rank, inputs, *window), (outputs, rank, *(1 for _ in window))
    if (_core(down), _core(up)) != (_trimmed(shapes[0]), _trimmed(shapes[1])):
        there = f"{up.shape[0]}×{'×'.join(map(str, down.shape[1:]))}"
        raise _Misfit(f"there “{name}” is {'×'.join(map(str, weight.shape))}, in it {there}")
    device = "cpu" if weight.is_meta else weight.device
    # Copies: what is read from a file may lie anywhere in memory, and the bits of a product can
    # depend on that.
    return LoraPair(
        down=down.reshape(shapes[0]).to(device, weight.dtype, copy=True),
        up=up.reshape(shapes[1]).to(device, weight.dtype, copy=True),
        scale=scale,
    )


def _core(tensor: Tensor) -> tuple[int, ...]:
    return _trimmed(tuple(tensor.shape))


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1×1 convolution and a linear layer are the same; trainers take either for the other."""
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


class _Rules:
    """What diffusers writes beside the matrices: how peft's configuration scales each layer."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        try:
            self._all = dict(**json.loads(metadata.get("lora_adapter_metadata", "{}")))
        except (ValueError, TypeError) as error:
            raise _Misfit("its lora_adapter_metadata is no JSON object") from error

    def scale(self, network: str, layer: str, rank: int) -> float:
        """α / rank, or α / √rank (Kalajdzievski 2023, arXiv:2312.03732) where that was chosen."""
        try:
            alpha = self._all.get(f"{network}.lora_alpha", rank)
            for pattern, special in (self._all.get(f"{network}.alpha_pattern") or {}).items():
                if re.fullmatch(rf"(.*\.)?({pattern})", layer):
                    alpha = special
            by = rank**0.5 if self._all.get(f"{network}.use_rslora") else rank
            return float(alpha / by)
        except (AttributeError, TypeError, re.error) as error:
            raise _Misfit(f"its lora_adapter_metadata makes no sense ({error})") from error
