"""Autoencoders: which of them stay in fp32."""

import json
from pathlib import Path

import pytest
import torch

from inference.families.load import load_model
from inference.families.model import UNetModel
from tests import tiny


@pytest.mark.parametrize(
    ("upcast", "dtype", "expected"),
    [
        (True, torch.float16, torch.float32),
        (False, torch.float16, torch.float16),
        (True, torch.bfloat16, torch.bfloat16),
    ],
)
def test_an_autoencoder_that_overflows_in_fp16_is_fp32(
    tmp_path: Path, upcast: bool, dtype: torch.dtype, expected: torch.dtype
) -> None:
    folder = tiny.sdxl(tmp_path / "xl")
    config = folder / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"force_upcast": upcast}))
    model = load_model(folder, torch.device("cpu"), dtype)
    assert isinstance(model, UNetModel)
    assert model.modules.denoiser.dtype == dtype
    assert model.codec.dtype == expected
    (picture,) = model.codec.decode(torch.zeros(1, *model.codec.shape(32, 32)))
    assert picture.shape == (32, 32, 3)
