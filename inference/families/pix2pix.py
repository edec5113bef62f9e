"""The generator of a pix2pix model (Isola et al. 2017): one picture in, one picture out, one pass.

A U-Net whose skips carry the fine detail and whose lowest level sees nearly the whole picture.
Three changes to the paper's: upsampling by resize and convolution instead of transposed
convolution (Odena et al. 2016), group instead of batch normalisation, and no noise, so that one
source always gives one picture.

A model that colourises sees only the source's luma and draws only colour: its result is luma plus
a colour difference that has none, pulled towards grey where it would leave RGB. So the result's
luma (Rec. 601, what most programs call grayscale) is the source's by construction.
"""

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from inference.errors import ModelError
from inference.families.weights import write_weights

PIPELINE = "Pix2Pix"
WEIGHTS = "model.safetensors"
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pix2PixConfig:
    """What `config.json` of such a model says.

    task: what it was trained for, a word for people.
    luma_in: it sees the source's luma only. chroma_out: it draws colour only and keeps the luma.
    channels: of the U-Net's levels from the top; every level below halves the sides.
    sample_size: side in pixels of a square with as many pixels as the network likes to see.
    output_size: the same of a result; larger where only colour is drawn.
    """

    task: str
    luma_in: bool = False
    chroma_out: bool = False
    channels: tuple[int, ...] = (16, 32, 64, 128, 192, 160)
    sample_size: int = 256
    output_size: int = 256

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise ValueError(f"channels {list(self.channels)} make no U-Net")

    @property
    def factor(self) -> int:
        """The sides of what the network sees are multiples of this, pixels."""
        return 2 ** (len(self.channels) - 1)

    @classmethod
    def read(cls, path: Path) -> "Pix2PixConfig":
        """From a `config.json`. Raises ModelError that names it."""
        try:
            values = json.loads(path.read_text("utf-8"))
            given: dict[str, Any] = {k: v for k, v in values.items() if not k.startswith("_")}
            channels = tuple(int(c) for c in given["channels"])
            return cls(**given | {"channels": channels})
        except FileNotFoundError:
            raise ModelError(f"{path} is missing.") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} does not describe a pix2pix model: {error}.") from error


def luma(rgb: Tensor) -> Tensor:
    """[n, 3, h, w] to [n, 1, h, w] in the same range (Rec. 601 weights)."""
    weights = torch.tensor(LUMA, dtype=rgb.dtype, device=rgb.device).view(1, 3, 1, 1)
    return (rgb * weights).sum(dim=1, keepdim=True)


def with_chroma(y: Tensor, chroma: Tensor) -> Tensor:
    """Luma [n, 1, h, w] in -1..1 and chroma [n, 2, h, w] (Cb, Cr) in -1..1 to RGB in -1..1.

    The chroma gives a colour difference without luma (the Rec. 601 matrix). Where the sum would
    leave -1..1 the difference is made smaller, which keeps luma and hue.
    """
    red, green, blue = LUMA
    cb, cr = chroma[:, :1], chroma[:, 1:]
    r, b = 2 * (1 - red) * cr, 2 * (1 - blue) * cb
    difference = torch.cat([r, -(red * r + blue * b) / green, b], dim=1)
    room = torch.where(difference > 0, 1 - y, 1 + y).clamp_min(0)
    scale = (room / difference.abs().clamp_min(1e-6)).amin(dim=1, keepdim=True).clamp_max(1)
    return y + scale * difference


def _groups(channels: int) -> int:
    return next(n for n in (8, 4, 2, 1) if channels % n == 0)


class _Down(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 4, stride=2, padding=1),
            nn.GroupNorm(_groups(after), after),
            nn.LeakyReLU(0.2),
        )


class _Up(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2.0),
            nn.Conv2d(before, after, 3, padding=1),
            nn.GroupNorm(_groups(after), after),
            nn.ReLU(),
        )


class Generator(nn.Module):
    """The network. Pictures are [n, 3, h, w], RGB in -1..1; sides are multiples of its factor."""

    def __init__(self, config: Pix2PixConfig) -> None:
        super().__init__()
        self.config = config
        top, *_ = levels = config.channels
        self.stem = nn.Conv2d(1 if config.luma_in else 3, top, 3, padding=1)
        self.downs = nn.ModuleList(_Down(a, b) for a, b in pairwise(levels))
        rising = levels[::-1]
        self.ups = nn.ModuleList(
            _Up(a if i == 0 else 2 * a, b) for i, (a, b) in enumerate(pairwise(rising))
        )
        self.head = nn.Conv2d(2 * top, 2 if config.chroma_out else 3, 3, padding=1)

    def planes(self, picture: Tensor) -> Tensor:
        """What it draws, in -1..1: chroma [n, 2, h, w] or RGB [n, 3, h, w]."""
        x = functional.leaky_relu(self.stem(luma(picture) if self.config.luma_in else picture), 0.2)
        skips = []
        for down in self.downs:
            skips.append(x)
            x = down(x)
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], dim=1)
        return torch.tanh(self.head(x).float())

    def forward(self, picture: Tensor) -> Tensor:
        """The finished picture, of the same shape."""
        planes = self.planes(picture)
        return with_chroma(luma(picture), planes) if self.config.chroma_out else planes


def save_generator(generator: Generator, folder: Path, title: str) -> None:
    """Writes the folder that `MODEL=` and `--model` accept; weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, dict[str, Any]] = {
        "model_index.json": {"_class_name": PIPELINE, "task": generator.config.task},
        "config.json": asdict(generator.config),
        "palimpsest.json": {"title": title, "steps": 1, "guidance": 1.0},
    }
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    weights = {k: v.half() for k, v in generator.state_dict().items()}
    write_weights(weights, folder / WEIGHTS)


def load_generator(folder: Path, device: torch.device) -> Generator:
    """The generator of a folder, in float32. Raises ModelError that names the file at fault."""
    generator = Generator(Pix2PixConfig.read(folder / "config.json"))
    path = folder / WEIGHTS
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path} is missing.") from None
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is damaged: {error}.") from error
    try:
        generator.load_state_dict({k: v.float() for k, v in weights.items()})
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise ModelError(f"{path} does not fit its config.json: {first}") from error
    return generator.to(device).eval().requires_grad_(False)
