"""An image encoder learns to see before it tells a painter what it sees.

Naming the style of a picture (cross-entropy, by a linear judge that stays beside it) costs a
hundredth of a painting step, and an encoder that tells the styles apart is most of an image
adapter. CLIP's encoder, which IP-Adapter (Ye et al. 2023) takes as it is, has learned to see from
other tasks too.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionModelWithProjection
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from inference.training.data import Pixels
from inference.training.shards import Shard
from inference.training.styles import STYLES


def to_encoder(pictures: Sequence[Pixels], side: int) -> Tensor:
    """[n, 3, side, side] as CLIP's image processor makes them of square pictures."""
    scaled = [
        np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC))
        for one in pictures
    ]
    values = torch.from_numpy(np.stack(scaled)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return (values - mean) / std


def glance(picture: Pixels, rng: random.Random) -> Pixels:
    """A random square of a picture [h, w, 3], 0.7 to 1 of its shorter side, at times mirrored."""
    h, w, _ = picture.shape
    side = int(min(h, w) * rng.uniform(0.7, 1.0))
    y, x = rng.randrange(h - side + 1), rng.randrange(w - side + 1)
    part = picture[y : y + side, x : x + side]
    return np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)


class LookingTask:
    """Trains an image encoder to name styles."""

    def __init__(
        self,
        encoder: CLIPVisionModelWithProjection,
        shards: Sequence[Shard],
        *,
        batch: int = 32,
        device: str = "cpu",
        autocast: bool = True,
        sees: bool = False,
    ) -> None:
        """sees: whether the encoder can see already; then its judge alone is trained."""
        self.encoder = encoder.to(device).requires_grad_(not sees)
        self.sees = sees
        self.judge = nn.Linear(encoder.config.projection_dim, len(STYLES)).to(device)
        self.shards, self.batch = list(shards), batch
        self.device, self.autocast = torch.device(device), autocast

    def modules(self) -> dict[str, nn.Module]:
        """The judge, and the encoder where that has to learn to see."""
        judge: dict[str, nn.Module] = {"judge": self.judge}
        return judge if self.sees else {"image_encoder": self.encoder} | judge

    def loss(self, step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy over one batch of pictures from all shards."""
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        pictures, truth = [], []
        for _ in range(self.batch):
            shard = rng.choice(self.shards)
            i = rng.randrange(len(shard.facts))
            pictures.append(glance(shard.pixels[i], rng))
            truth.append(list(STYLES).index(shard.facts[i].style))
        seen = to_encoder(pictures, self.encoder.config.image_size).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            verdicts = self.judge(self.encoder(seen).image_embeds).float()
        wanted = torch.tensor(truth, device=self.device)
        loss = functional.cross_entropy(verdicts, wanted)
        right = (verdicts.argmax(dim=1) == wanted).float().mean()
        return loss, {"loss": loss.item(), "style": right.item()}

    def sample(self, folder: Path, step: int) -> None:
        """There is nothing to look at."""
