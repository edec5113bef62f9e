"""Weights reordered once: the same results, and not more memory than was said."""

import copy
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from inference.families import packed
from inference.families.packed import LAYOUTS, PackedConv2d, PackedLinear, pack
from tests import tiny

pytestmark = pytest.mark.skipif(not packed._supported(), reason="this torch has no oneDNN")

PLENTY = 2**40


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tiny.sd(tmp_path_factory.mktemp("packed"), channels=(64, 128))
    return UNet2DConditionModel.from_pretrained(folder / "unet").eval().requires_grad_(False)


def packed_copy(network: nn.Module, dtype: torch.dtype = torch.float32) -> Any:
    copied = copy.deepcopy(network).to(dtype).to(memory_format=torch.channels_last)
    pack(copied, room=PLENTY)
    return copied


@torch.inference_mode()
def predict(network: Any, rows: int, height: int, width: int) -> Tensor:
    numbers = torch.Generator().manual_seed(5)
    latents = torch.randn(rows, 4, height, width, generator=numbers).to(network.dtype)
    tokens = torch.randn(rows, 77, 32, generator=numbers).to(network.dtype)
    latents = latents.to(memory_format=torch.channels_last)
    return network(latents, torch.full((rows,), 500.0), encoder_hidden_states=tokens).sample


def test_it_predicts_what_the_plain_network_does(unet: Any) -> None:
    network = packed_copy(unet)
    for shape in ((2, 8, 8), (1, 8, 8), (2, 8, 16), (3, 12, 10)):
        torch.testing.assert_close(
            predict(network, *shape), predict(unet, *shape), rtol=0, atol=1e-5
        )


def test_in_bf16_it_is_as_far_from_fp32_as_the_plain_network(unet: Any) -> None:
    exact = predict(unet, 2, 8, 8)
    plain = predict(copy.deepcopy(unet).to(torch.bfloat16), 2, 8, 8).float()
    found = predict(packed_copy(unet, torch.bfloat16), 2, 8, 8).float()
    assert (found - exact).abs().max() < 2 * (plain - exact).abs().max()


def test_layers_stay_what_they_were(unet: Any) -> None:
    network = packed_copy(unet)
    assert network.state_dict().keys() == unet.state_dict().keys()
    assert isinstance(network.conv_in, nn.Conv2d) and type(network.conv_in) is PackedConv2d
    assert isinstance(network.time_embedding.linear_1, PackedLinear)
    seen = []
    network.conv_in.register_forward_hook(lambda *call: seen.append(call))
    predict(network, 1, 8, 8)
    assert len(seen) == 1


def test_bits_do_not_depend_on_what_was_packed_before(unet: Any) -> None:
    shapes = [(2, 8, 8), (1, 8, 8), (2, 16, 8), (4, 8, 24), (2, 8, 40), (1, 24, 24)]
    alone = {shape: predict(packed_copy(unet), *shape) for shape in shapes}
    together = packed_copy(unet)
    for shape in [*shapes, *reversed(shapes)]:
        assert torch.equal(predict(together, *shape), alone[shape])


def test_few_layouts_are_kept(unet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = packed_copy(unet)
    for width in range(8, 72, 8):
        predict(network, 1, 8, width)
    layers = [m for m in network.modules() if isinstance(m, PackedConv2d | PackedLinear)]
    assert max(len(layer.packed._weights._values) for layer in layers) == LAYOUTS
    made = []
    for kind in (PackedConv2d, PackedLinear):
        original = kind.pack
        monkeypatch.setattr(
            kind, "pack", lambda self, shape, go=original: made.append(self) or go(self, shape)
        )
    again = packed_copy(unet)
    predict(again, 2, 8, 8)
    first = len(made)
    predict(again, 2, 8, 8)
    assert len(made) == first >= len(layers)


def test_a_network_that_leaves_no_room_is_left_alone(unet: Any) -> None:
    weights = 4 * sum(each.numel() for each in unet.parameters())
    network = copy.deepcopy(unet)
    pack(network, room=weights * (1 + LAYOUTS) - 1)
    assert type(network.conv_in) is nn.Conv2d
    pack(network, room=weights * (1 + LAYOUTS))
    assert type(network.conv_in) is PackedConv2d


def test_layers_of_other_kinds_are_left_alone() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same"),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 8, 1, groups=8, bias=False),
    )
    picture = torch.randn(1, 3, 9, 9)
    expected = network(picture)
    pack(network, room=PLENTY)
    assert [type(layer) for layer in network] == [nn.Conv2d, nn.Conv2d, PackedConv2d]
    with torch.inference_mode():
        torch.testing.assert_close(network(picture), expected, rtol=0, atol=1e-6)
