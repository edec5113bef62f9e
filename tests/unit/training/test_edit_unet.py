"""The editor's UNet: room for the source, and fewer channels."""

from typing import Any

import pytest
import torch

from inference.errors import ModelError
from inference.training.base_model import SD, load_pipeline
from inference.training.edit import narrowed, widen
from tests import tiny


@pytest.fixture
def unet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tiny.sd(tmp_path_factory.mktemp("base"), zero_snr=True, latent_channels=8)
    return load_pipeline(folder, SD, torch.float32).unet


def test_a_widened_unet_answers_as_before_whatever_the_source(unet: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    noisy, source = torch.randn(2, 2, 8, 8, 8, generator=generator)
    words = torch.randn(2, 5, 32, generator=generator)
    with torch.no_grad():
        before = unet(noisy, 500, words).sample
        assert widen(unet).config.in_channels == 16
        after = unet(torch.cat([noisy, source], dim=1), 500, words).sample
    assert torch.allclose(before, after, atol=1e-5)
    again = unet.conv_in
    assert widen(unet).conv_in is again


def test_a_narrowed_unet_differs_in_its_channels_alone(unet: Any) -> None:
    made = narrowed(unet, (16, 48))
    differing = {key for key in unet.config if unet.config[key] != made.config[key]}
    assert differing - {"_name_or_path", "_use_default_values"} == {"block_out_channels"}
    chosen = [i * 32 // 16 for i in range(16)]
    assert torch.equal(made.conv_in.weight, unet.conv_in.weight[chosen])
    assert torch.equal(made.conv_out.weight, unet.conv_out.weight[:, chosen])
    assert widen(made).config.in_channels == 2 * unet.config.in_channels
    for channels in ((16, 25), (16, 24, 32)):
        with pytest.raises(ModelError, match="cannot have these channels"):
            narrowed(unet, channels)


def test_a_unet_for_masks_is_refused(unet: Any) -> None:
    unet.register_to_config(in_channels=17)
    with pytest.raises(ModelError, match="17 input channels"):
        widen(unet)
