"""The details of an edited picture, taken from its source.

An editor sees and paints latents, so that whatever the autoencoder loses of a source is lost in
every edit of it: a picture whose noise is taken away comes back soft. This network sees the source
and what the editor painted, both at full size, is told what was asked for, and decides pixel by
pixel what of the source to keep: a decoder that sees the source, as in Zhu et al. 2023 ("Designing
a Better Asymmetric VQGAN for StableDiffusion"), but beside the autoencoder, which stays the
model's own.

Half-size planes (Zhang et al. 2018, "FFDNet") and dilated convolutions (Zhang et al. 2017, "IRCNN")
let a small network see far; what the whole picture is like, how noisy it is and what was asked for
scale its channels (Hu et al. 2018, "Squeeze-and-Excitation"). Of what was asked for it knows the
words of its lessons and no order: enough to tell "sharpen" from "an oil painting".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from inference.families.pixels import as_picture, as_tensor, padded
from inference.families.small_networks import read_network, save_network

FACTOR = 2
"""The sides of what it sees are multiples of this, pixels."""
_PLANES = 3 * FACTOR**2


def words_of(text: str) -> list[str]:
    """The distinct words of a text, whatever their case, place and punctuation."""
    return sorted(set(re.findall(r"\w+", text.casefold())))


@dataclass(frozen=True, kw_only=True, slots=True)
class DetailsConfig:
    """What its `config.json` says.

    channels: of each convolution; dilations: of those between the first and the last; words: those
    it knows, in lower case; word_width: of a word's vector.

    Raises ValueError where a number is below 1, or a word is none or comes twice.
    """

    channels: int = 32
    dilations: tuple[int, ...] = (1, 2, 3, 2)
    word_width: int = 8
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.channels, *self.dilations, self.word_width) < 1:
            raise ValueError("channels, dilations and word_width are at least 1")
        for word in self.words:
            if words_of(word) != [word] or self.words.count(word) > 1:
                raise ValueError(f"“{word}” is not one word in lower case, or comes twice")


def noise_level(pictures: Tensor) -> Tensor:
    """How noisy pictures [n, 3, h, w] are, [n, 1]: about 0 for a standard deviation of 5 of 255, 1
    for 15, 2 for 45; of the median of the diagonal Haar details (Donoho & Johnstone 1994).
    """
    a, b, c, d = (pictures[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1))
    details = ((a - b - c + d) / 2).flatten(1).abs().float()
    deviation = details.median(dim=1, keepdim=True).values / 0.6745
    return (deviation + 0.004).log() + 3.1


class AskedFor(nn.Module):
    """Texts to vectors: the mean of those of the words it knows, weighted by how much each tells
    (attention with a learned score, Yang et al. 2016, equations 5 to 7). Other words are not there.
    """

    def __init__(self, words: Sequence[str], width: int) -> None:
        super().__init__()
        self._places = {word: place for place, word in enumerate(words, start=1)}
        self.vectors = nn.Embedding(len(words) + 1, width)
        self.scores = nn.Embedding(len(words) + 1, 1)
        nn.init.zeros_(self.scores.weight)

    def places(self, texts: Sequence[str]) -> Tensor:
        """For `forward`, int64 [n, most words]: 0 in front of every text, -1 behind short ones."""
        found = [
            [0, *(self._places[word] for word in words_of(text) if word in self._places)]
            for text in texts
        ]
        rows = [torch.tensor(places) for places in found]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)

    def forward(self, places: Tensor) -> Tensor:
        """[n, width]."""
        known = places.clamp(min=0)
        scores = self.scores(known).masked_fill((places < 0)[..., None], -torch.inf)
        return (scores.softmax(dim=1) * self.vectors(known)).sum(dim=1)


class DetailNet(nn.Module):
    """Source and painted picture, [n, 3, h, w] each in -1..1, and what was asked for to the
    finished picture.

    The result is the painted picture, moved towards the source as far as a gate of 0..1 says, and
    a correction. Before training it is nearly the painted picture.
    """

    def __init__(self, config: DetailsConfig | None = None) -> None:
        super().__init__()
        self.config = config or DetailsConfig()
        width = self.config.channels
        self.asked = AskedFor(self.config.words, self.config.word_width)
        self.told = nn.Sequential(
            nn.Linear(self.config.word_width + 1, width), nn.ReLU(), nn.Linear(width, 2 * width)
        )
        self.head = nn.Conv2d(2 * _PLANES, width, 3, padding=1)
        self.body = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=by, dilation=by) for by in self.config.dilations
        )
        self.scales = nn.ModuleList(nn.Linear(width, width) for _ in self.config.dilations)
        self.tail = nn.Conv2d(width, 2 * _PLANES, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        with torch.no_grad():
            assert self.tail.bias is not None
            self.tail.bias.zero_()
            self.tail.bias[:_PLANES] = -4.0  # the gate is nearly shut

    def forward(self, source: Tensor, painted: Tensor, asked: Tensor) -> Tensor:
        """[n, 3, h, w], not clamped; the sides are multiples of `FACTOR`.

        asked: as `AskedFor.places` gives it.
        """
        known = torch.cat([self.asked(asked), noise_level(source)], dim=1)
        first, whole = self.told(known).chunk(2, dim=1)
        x = functional.pixel_unshuffle(torch.cat([source, painted], dim=1), FACTOR)
        x = functional.relu(self.head(x) + first[:, :, None, None])
        for layer, scale in zip(self.body, self.scales, strict=True):
            found = functional.relu(layer(x))
            factors = 2 * scale(found.mean(dim=(2, 3)) + whole).sigmoid()
            x = torch.addcmul(x, found, factors[:, :, None, None])
        gate, correction = functional.pixel_shuffle(self.tail(x), FACTOR).chunk(2, dim=1)
        return painted + gate.sigmoid() * (source - painted) + correction


class Details:
    """The network in use, on the CPU. From any thread.

    Takes time and memory with the pixels: for 2048² 0.7 GB and some seconds.
    """

    def __init__(self, net: DetailNet) -> None:
        self._net = net

    @torch.inference_mode()
    def __call__(self, source: Image.Image, painted: Image.Image, words: str) -> Image.Image:
        """The painted picture finished; all three are RGB and of one size. words: the prompt."""
        width, height = painted.size
        seen = (padded(as_tensor(picture), FACTOR) for picture in (source, painted))
        asked = self._net.asked.places([words])
        return as_picture(self._net(*seen, asked)[..., :height, :width])


def save_details(net: DetailNet, folder: Path) -> None:
    """Writes the network's folder, its weights in float16."""
    save_network(net, net.config, folder)


def load_details(folder: Path) -> Details:
    """Raises ModelError that names the file at fault."""
    return Details(read_details(folder).eval().requires_grad_(False))


def read_details(folder: Path) -> DetailNet:
    """The inverse of `save_details`. Raises ModelError that names the file at fault."""
    return read_network(folder, _described, "details network")


def _described(values: dict[str, Any]) -> DetailNet:
    if not isinstance(values["words"], list):
        raise TypeError("its words are no list")
    return DetailNet(
        DetailsConfig(
            channels=int(values["channels"]),
            dilations=tuple(map(int, values["dilations"])),
            word_width=int(values["word_width"]),
            words=tuple(map(str, values["words"])),
        )
    )
