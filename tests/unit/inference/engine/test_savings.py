"""Pictures that go through the autoencoder in tiles."""

from types import SimpleNamespace
from typing import Any

import torch
from diffusers import AutoencoderTiny

from inference.engine.savings import SMALLEST_TILE, Savings

FACTOR = 8
CPU = torch.device("cpu")


@torch.inference_mode()
def test_the_tiles_of_a_tiny_autoencoder_meet_whole_latents() -> None:
    """Away from the seams they give what the whole picture gives, if each begins where a latent
    does; else they are moved by a part of one."""
    torch.manual_seed(0)
    tiny: Any = AutoencoderTiny(
        encoder_block_out_channels=(4, 4, 4, 4),
        decoder_block_out_channels=(4, 4, 4, 4),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    ).eval()
    savings = Savings(SimpleNamespace(autoencoder=tiny), FACTOR, CPU)  # type: ignore[arg-type]
    longest = 8 * 9
    tile = savings.smaller_tile(None, longest)
    assert tile is not None
    picture = torch.rand(1, 3, SMALLEST_TILE * FACTOR, longest * FACTOR)
    whole = tiny.encode(picture).latents
    with savings.autoencoder(tile):
        tiled = tiny.encode(picture).latents
    second = int(tile * 7 / 8) + tile // 4  # within the second tile, well behind the seam
    assert torch.allclose(tiled[..., 8:-8, second:-8], whole[..., 8:-8, second:-8], atol=1e-4)
