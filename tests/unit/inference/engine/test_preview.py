import io

import numpy as np
import torch
from PIL import Image

from inference.engine.preview import MAX_SIDE, Preview


class Averages:
    """A codec whose latents are the mean colours of 8×8 places, one channel unused."""

    factor = 8

    def encode(self, pictures: list[np.ndarray]) -> list["Averages"]:
        image = torch.from_numpy(pictures[0]).float().permute(2, 0, 1)[None] / 127.5 - 1
        colours = torch.nn.functional.avg_pool2d(image, 8)
        self.mean = torch.cat([colours.flip(1), torch.zeros_like(colours[:, :1])], dim=1)
        return [self]

    def scale(self, sample: torch.Tensor) -> torch.Tensor:
        return sample * 0.2


def test_colours_are_found() -> None:
    codec = Averages()
    preview = Preview(codec)  # type: ignore[arg-type]
    picture = np.zeros((64, 128, 3), np.uint8)
    picture[:, :64] = (250, 120, 10)
    latents = codec.scale(codec.encode([picture])[0].mean)
    seen = np.asarray(Image.open(io.BytesIO(preview.jpeg(latents, (1, 1)))))
    assert seen.shape == (64, 128, 3)
    assert np.abs(seen[8:56, 8:48].mean((0, 1)) - (250, 120, 10)).max() < 6
    assert seen[8:56, 80:120].max() < 12


def test_padding_is_cut_off_and_large_pictures_stay_small() -> None:
    latents = torch.zeros(1, 4, 128, 64)
    preview = Preview(Averages())  # type: ignore[arg-type]
    picture = Image.open(io.BytesIO(preview.jpeg(latents, (0.5, 1))))
    assert picture.size == (MAX_SIDE, MAX_SIDE * 4)
