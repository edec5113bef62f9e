"""The discriminator of pix2pix (Isola et al. 2017): does this output belong to that input?

A PatchGAN: it judges overlapping patches of 70 × 70 pixels, each by a logit. Spectral
normalisation (Miyato et al. 2018) bounds how steep it can be, which keeps the game even; with it
no other normalisation is needed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

CHANNELS = (32, 64, 128, 128)


class Discriminator(nn.Module):
    """[n, 3, h, w] input and output, RGB in -1..1, to logits [n, 1, h / 8 - 2, w / 8 - 2].

    Above 0 a patch is taken for real.
    """

    def __init__(self, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 6
        for i, after in enumerate(channels):
            stride = 2 if i < len(channels) - 1 else 1
            layers += [
                spectral_norm(nn.Conv2d(before, after, 4, stride=stride, padding=1)),
                nn.LeakyReLU(0.2),
            ]
            before = after
        layers.append(spectral_norm(nn.Conv2d(before, 1, 4, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, source: Tensor, picture: Tensor) -> Tensor:
        """The logits of the patches."""
        logits: Tensor = self.layers(torch.cat([source, picture], dim=1))
        return logits.float()


def patch_accuracy(real: Tensor, fake: Tensor) -> float:
    """Share of patches that are judged rightly, 0..1, real and made ones counting the same."""
    return 0.5 * float((real > 0).float().mean() + (fake <= 0).float().mean())
