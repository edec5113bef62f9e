"""The LoRAs of one model in memory: those used last, and those that a request in flight needs."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from weakref import WeakValueDictionary

import torch

from inference.families.lora_network import LoraNetwork
from inference.families.lora_set import NO_LORAS, LoraSet, Mix
from inference.families.lora_weights import Networks, read_lora
from inference.loras import LoraUse
from inference.model_info import ModelInfo
from inference.shelf import LoraFile, Shelf, check_fit

KEPT = 8
"""LoRAs of one model that stay in memory; one for SDXL is often 100 to 200 MB."""


class Adapters:
    """networks: the denoiser, `unet` or `transformer`, and the text encoders.

    model, shelf: whose networks they are, and where its LoRAs lie.
    """

    def __init__(
        self, networks: Networks, shelf: Shelf, model: ModelInfo, *, kept: int = KEPT
    ) -> None:
        self._modules = networks
        self._networks = {name: LoraNetwork(network) for name, network in networks.items()}
        self._shelf = shelf
        self._model = model
        self._kept = kept
        self._keys = map(str, count())
        self._loaded: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._in_use: WeakValueDictionary[Mix, LoraSet] = WeakValueDictionary()

    @property
    def loaded(self) -> list[str]:
        """The names of those in memory, the one used last at the end."""
        return [name for name, _ in self._loaded]

    def choose(self, uses: Sequence[LoraUse]) -> LoraSet:
        """Reads what is not in memory yet. What it returns stays there while it is kept.

        Raises RequestError for a LoRA that is unknown, damaged or made for another model.
        """
        files = [(self._shelf.lora(use.name), use.weight) for use in uses]
        for file, _ in files:
            check_fit(file, self._model)
        files = [(file, weight) for file, weight in files if weight != 0]
        if not files:
            return NO_LORAS
        self._make_room({_content(file) for file, _ in files})
        mix = tuple((self._key(file), weight) for file, weight in files)
        chosen = self._in_use.get(mix)
        if chosen is None:
            chosen = LoraSet(
                mix=mix,
                text=tuple(part for part in mix if self._reads(part[0])),
                pins=tuple((f"lora {file.name}", file.revision) for file, _ in files),
            )
            self._in_use[mix] = chosen
        return chosen

    def use_for_text(self, loras: LoraSet) -> None:
        """Puts them in force in the text encoders."""
        for name, network in self._networks.items():
            if name.startswith("text_encoder"):
                network.use(loras.text)

    def use_for_denoising(self, loras: LoraSet) -> None:
        """Puts them in force in the denoiser."""
        for name, network in self._networks.items():
            if not name.startswith("text_encoder"):
                network.use(loras.mix)

    def _key(self, file: LoraFile) -> str:
        content = _content(file)
        if content not in self._loaded:
            # Tensors born in inference mode could not be used outside of it.
            with torch.inference_mode(False):
                pairs = read_lora(file, self._modules, self._model)
            key = next(self._keys)
            for name, network in self._networks.items():
                network.add(key, pairs[name])
            self._loaded[content] = key
        self._loaded.move_to_end(content)
        return self._loaded[content]

    def _reads(self, key: str) -> bool:
        return any(
            network.changed_by(key)
            for name, network in self._networks.items()
            if name.startswith("text_encoder")
        )

    def _make_room(self, wanted: set[tuple[str, str]]) -> None:
        """Lets those go that were used longest ago, so that these fit beside the others."""
        needed = {key for mix in self._in_use for key, _ in mix}
        for content, key in list(self._loaded.items()):
            if len(self._loaded.keys() | wanted) <= self._kept:
                return
            if content not in wanted and key not in needed:
                del self._loaded[content]
                for network in self._networks.values():
                    network.remove(key)


def _content(file: LoraFile) -> tuple[str, str]:
    return file.name, file.revision
