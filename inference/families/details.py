"""The details of an edited picture, taken from its source.

An editor sees and paints latents, so that whatever the autoencoder loses of a source is lost in
every edit of it: a picture whose noise is taken away comes back soft. This network sees the source
and what the editor painted, both at full size, and decides pixel by pixel what of the source to
keep: a decoder that sees the source, as in Zhu et al. 2023 ("Designing a Better Asymmetric VQGAN
for StableDiffusion"), but beside the autoencoder, which stays the model's own.

Half-size planes (Zhang et al. 2018, "FFDNet") and dilated convolutions (Zhang et al. 2017, "IRCNN")
let a small network see far; what the whole picture is like, for example how noisy, scales its
channels (Hu et al. 2018, "Squeeze-and-Excitation").
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from inference.errors import ModelError
from inference.families.pixels import as_picture, as_tensor, padded

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
FACTOR = 2
"""The sides of what it sees are multiples of this, pixels."""
_PLANES = 3 * FACTOR**2


@dataclass(frozen=True, kw_only=True, slots=True)
class DetailsConfig:
    """What its `config.json` says. channels: of each convolution; dilations: of those between the
    first and the last. Raises ValueError where one is below 1.
    """

    channels: int = 32
    dilations: tuple[int, ...] = (1, 2, 3, 2)

    def __post_init__(self) -> None:
        if min(self.channels, *self.dilations) < 1:
            raise ValueError("channels and dilations are at least 1")


class DetailNet(nn.Module):
    """Source and painted picture, [n, 3, h, w] each in -1..1, to the finished one.

    The result is the painted picture, moved towards the source as far as a gate of 0..1 says, and
    a correction. Before training it is nearly the painted picture.
    """

    def __init__(self, config: DetailsConfig | None = None) -> None:
        super().__init__()
        self.config = config or DetailsConfig()
        width = self.config.channels
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

    def forward(self, source: Tensor, painted: Tensor) -> Tensor:
        """[n, 3, h, w], not clamped; the sides are multiples of `FACTOR`."""
        x = functional.pixel_unshuffle(torch.cat([source, painted], dim=1), FACTOR)
        x = functional.relu(self.head(x))
        for layer, scale in zip(self.body, self.scales, strict=True):
            found = functional.relu(layer(x))
            factors = 2 * scale(found.mean(dim=(2, 3))).sigmoid()
            x = torch.addcmul(x, found, factors[:, :, None, None])
        gate, correction = functional.pixel_shuffle(self.tail(x), FACTOR).chunk(2, dim=1)
        return painted + gate.sigmoid() * (source - painted) + correction


class Details:
    """The network in use, on the CPU. From any thread.

    Takes time and memory with the pixels: for 2048² half a gigabyte and some seconds.
    """

    def __init__(self, net: DetailNet) -> None:
        self._net = net

    @torch.inference_mode()
    def __call__(self, source: Image.Image, painted: Image.Image) -> Image.Image:
        """The painted picture finished; all three are RGB and of one size."""
        width, height = painted.size
        seen = (padded(as_tensor(picture), FACTOR) for picture in (source, painted))
        return as_picture(self._net(*seen)[..., :height, :width])


def save_details(net: DetailNet, folder: Path) -> None:
    """Writes the network's folder, its weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(asdict(net.config), indent=2) + "\n", "utf-8")
    weights = {k: v.detach().cpu().half().contiguous() for k, v in net.state_dict().items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def load_details(folder: Path) -> Details:
    """Raises ModelError that names the file at fault."""
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text("utf-8"))
        config = DetailsConfig(
            channels=int(values["channels"]), dilations=tuple(map(int, values["dilations"]))
        )
        net = DetailNet(config)
        path = folder / WEIGHTS
        net.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    except FileNotFoundError:
        raise ModelError(f"{path} is missing.") from None
    except (
        *(OSError, ValueError, TypeError, KeyError, OverflowError, RuntimeError),
        SafetensorError,
    ) as error:
        raise ModelError(f"{path} holds no details network: {error}") from error
    return Details(net.eval().requires_grad_(False))
