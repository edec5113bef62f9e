"""The network that composes small pictures from words: its files, its sizes and its sampling."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from inference.errors import ModelError
from inference.families.composer import (
    FACTOR,
    ComposerConfig,
    ComposerNet,
    read_composer,
    save_composer,
)

SMALL = ComposerConfig(channels=(8, 16), width=8, latent_channels=4, text_width=12, steps=3)


def net(config: ComposerConfig = SMALL) -> ComposerNet:
    torch.manual_seed(1)
    made = ComposerNet(config)
    for name, weights in made.named_parameters():
        if name.endswith(("head.weight", "conv_out.weight")):  # they begin at nothing
            torch.nn.init.normal_(weights, std=0.1)
    return made.eval().requires_grad_(False)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (12, 20), (4, 8)])
def test_a_velocity_has_the_latents_shape(height: int, width: int) -> None:
    found = net()(noise(0, 2, 4, height, width), torch.tensor([0.2, 0.9]), noise(1, 2, 12))
    assert found.shape == (2, 4, height, width)


def test_it_hears_the_time_and_the_words_and_sees_each_picture_alone() -> None:
    model, latents, words = net(), noise(0, 1, 4, 8, 8), noise(1, 2, 12)
    times = torch.tensor([0.5])
    first, other_words = model(latents, times, words[:1]), model(latents, times, words[1:])
    assert not torch.allclose(first, other_words)
    assert not torch.allclose(first, model(latents, times + 0.3, words[:1]))
    both = model(latents.repeat(2, 1, 1, 1), times.repeat(2), words)
    assert torch.allclose(both, torch.cat([first, other_words]), atol=1e-5)


def test_straight_paths_are_followed_to_their_end() -> None:
    """Where the velocity is the right one everywhere, any number of steps leads to the picture."""
    target, start = noise(2, 1, 4, 8, 8), noise(3, 1, 4, 8, 8)

    class Right(ComposerNet):
        def forward(self, latents: Tensor, times: Tensor, pooled: Tensor) -> Tensor:
            assert torch.allclose(latents, torch.lerp(target, start, float(times[0])), atol=1e-5)
            return (start - target).expand_as(latents)

    words = noise(1, 1, 12)
    assert torch.allclose(Right(SMALL).sample(start, words, words), target, atol=1e-5)


def test_guidance_leads_away_from_what_is_not_wanted() -> None:
    words, none = noise(1, 1, 12), noise(4, 1, 12)
    one = ComposerConfig(channels=(8, 16), width=8, latent_channels=4, text_width=12, steps=1)
    start, now = noise(0, 1, 4, 8, 8), torch.ones(1)
    plain = net(ComposerConfig(**vars_of(one) | {"guidance": 1.0})).sample(start, words, none)
    assert torch.allclose(plain, start - net(one)(start, now, words), atol=1e-6)
    guided = net(one).sample(start, words, none)
    away = net(one)(start, now, none)
    wanted = start - (away + one.guidance * (net(one)(start, now, words) - away))
    assert torch.allclose(guided, wanted, atol=1e-5)
    assert not torch.allclose(guided, plain)


def vars_of(config: ComposerConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


@pytest.mark.parametrize("size", [(256, 256), (640, 256), (256, 1024), (8, 8), (1024, 64)])
def test_its_picture_has_about_the_results_shape_and_its_own_area(size: tuple[int, int]) -> None:
    height, width = ComposerConfig().sides(*size)
    assert height % FACTOR == width % FACTOR == 0
    assert 128 <= height * width <= 384
    assert abs(math.log(width / height) - math.log(size[0] / size[1])) < 0.7


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"channels": (8, 12)}, "channels"),
        ({"channels": (8,)}, "channels"),
        ({"width": 7}, "width 7"),
        ({"text_width": 0}, "no words"),
        ({"steps": 0}, "steps 0"),
        ({"steps": 10**7}, "out of range"),
        ({"area": 10**6}, "out of range"),
        ({"guidance": math.nan}, "guidance nan"),
    ],
)
def test_what_makes_no_network_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ComposerConfig(**values)  # type: ignore[arg-type]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = net()
    save_composer(made, tmp_path)
    read = read_composer(tmp_path)
    assert read.config == SMALL
    for name, value in made.state_dict().items():
        assert torch.equal(read.state_dict()[name], value.half().float()), name


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors"])
def test_missing_and_damaged_files_are_named(tmp_path: Path, broken: str) -> None:
    save_composer(net(), tmp_path)
    whole = (tmp_path / broken).read_bytes()
    (tmp_path / broken).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=broken):
        read_composer(tmp_path)
    (tmp_path / broken).unlink()
    with pytest.raises(ModelError, match=f"{broken} is missing"):
        read_composer(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"channels": [8, 24]},
        {"channels": 8},
        {"colour": 1},
        {"steps": 0},
        {"guidance": None},
        {"area": "wide"},
    ],
)
def test_a_description_of_something_else_is_refused(
    tmp_path: Path, values: dict[str, object]
) -> None:
    save_composer(net(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    with pytest.raises(ModelError, match="holds no composer"):
        read_composer(tmp_path)
