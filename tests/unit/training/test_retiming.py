"""A trained UNet on another noise schedule."""

import copy
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from inference.errors import ModelError
from inference.families.schedulers import SchedulerFactory, scheduler_names
from inference.training import retiming
from inference.training.__main__ import main
from inference.training.base_model import EDIT, SD, load_pipeline
from inference.training.data import group
from inference.training.noising import Noising
from inference.training.pocket import build_scheduler
from inference.training.retiming import retime, same_noise
from inference.training.shards import gather, write
from tests import tiny
from tests.pair_folder import write_pairs


def common(**changes: object) -> Noising:
    """The schedule of Stable Diffusion with zero terminal SNR."""
    usual = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
    }
    return Noising(DDIMScheduler(**(usual | changes)).config)


POCKET = Noising(build_scheduler().config)


@pytest.fixture(autouse=True)
def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiming, "ITERATIONS", 150)


def test_a_schedule_is_its_own() -> None:
    assert torch.allclose(same_noise(POCKET, POCKET), torch.arange(1000.0).double(), atol=1e-6)


@pytest.mark.parametrize(("old", "new"), [(common(), POCKET), (POCKET, common())])
def test_steps_of_one_noise_have_one_signal_to_noise_ratio(old: Noising, new: Noising) -> None:
    found = same_noise(old, new)
    assert (found.diff() >= 0).all()
    assert found[-1] == 999
    ratios = old.ratio(torch.arange(1000)).double()
    low = found.floor().long()
    share = found - low
    between = ratios[low] ** (1 - share) * ratios[(low + 1).clamp(max=999)] ** share
    wanted = new.ratio(torch.arange(1000)).double()
    inside = (wanted < ratios[0]) & (wanted > ratios[998])
    assert inside.sum() > 800
    assert torch.allclose(between[inside], wanted[inside], rtol=1e-3)


def test_a_schedule_that_ends_before_pure_noise_has_no_later_step() -> None:
    short = common(rescale_betas_zero_snr=False)
    assert same_noise(short, POCKET)[-3:].tolist() == [999, 999, 999]


def test_only_the_time_embedding_changes_and_says_what_it_said(tmp_path: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny.sd(tmp_path / "sd"), subfolder="unet")
    unet.requires_grad_(False)
    fast = unet.time_embedding.linear_1.weight.data.unflatten(1, (2, -1))[..., :8]
    fast *= 0.01  # random weights tell neighbouring steps apart, which trained ones do not
    before = copy.deepcopy(unet)
    old = common()
    assert retime(unet, old, POCKET) < 0.05
    for name, value in unet.state_dict().items():
        same = torch.equal(value, before.state_dict()[name])
        assert same != name.startswith("time_embedding"), name
        assert value.dtype == before.state_dict()[name].dtype
    assert not any(p.requires_grad or p.grad is not None for p in unet.parameters())

    noise = torch.Generator().manual_seed(1)
    channels, text = unet.config.in_channels, unet.config.cross_attention_dim
    sample = torch.randn(3, channels, 8, 8, generator=noise)
    words = torch.randn(3, 5, text, generator=noise)
    steps = torch.tensor([300, 600, 900])
    with torch.no_grad():
        was = before(sample, same_noise(old, POCKET)[steps].float(), words).sample
        now, unfitted = (net(sample, steps, words).sample for net in (unet, before))
    assert (now - was).square().mean() < 0.01 * (unfitted - was).square().mean()


def test_what_it_predicts_cannot_change(tmp_path: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny.sd(tmp_path / "sd"), subfolder="unet")
    same_betas = {**build_scheduler().config, "prediction_type": "epsilon"}
    for old in (common(prediction_type="epsilon"), Noising(same_betas)):
        with pytest.raises(ModelError, match="predicts epsilon, the schedule wants v_prediction"):
            retime(unet, old, POCKET)


def test_its_own_schedule_changes_nothing(tmp_path: Path) -> None:
    unet = UNet2DConditionModel.from_pretrained(tiny.sd(tmp_path / "sd"), subfolder="unet")
    before = copy.deepcopy(unet.time_embedding.state_dict())
    assert retime(unet, POCKET, POCKET) == 0
    for name, value in unet.time_embedding.state_dict().items():
        assert torch.equal(value, before[name])


def test_pocket_goes_on_from_another_schedule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tiny.sd(tmp_path / "base", zero_snr=True, latent_channels=8)
    write(gather((group(i, (32, 32), world=1.0) for i in range(2)), 2), tmp_path / "shards")
    main(
        [
            *("pocket", "--out", str(tmp_path / "p"), "--init", str(base), "--freeze-text"),
            *("--shards", str(tmp_path / "shards"), "--batches", "32x32:2:1"),
            *("--steps", "2", "--device", "cpu"),
        ]
    )
    assert "time embedding was fitted to another noise schedule" in capsys.readouterr().out
    made = load_pipeline(tmp_path / "p" / "model", SD, torch.float32)
    assert torch.equal(made.scheduler.alphas_cumprod, build_scheduler().alphas_cumprod)
    state = torch.load(tmp_path / "p" / "checkpoint.pt", weights_only=True)
    assert state.pop("made_for") == POCKET.described
    torch.save(state, tmp_path / "p" / "checkpoint.pt")
    with pytest.raises(SystemExit, match="was made for an older version, not for v_prediction"):
        main(
            [
                *("pocket", "--out", str(tmp_path / "p"), "--init", str(base), "--export-only"),
                *("--shards", str(tmp_path / "shards"), "--batches", "x", "--device", "cpu"),
            ]
        )


def test_an_editor_goes_over_to_the_schedule_of_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, other = (
        tiny.sd(tmp_path / name, zero_snr=True, latent_channels=8) for name in ("base", "other")
    )
    build_scheduler().save_pretrained(other / "scheduler")
    write_pairs(tmp_path / "pairs", dict.fromkeys("ab", (40, 40)))

    def train(*more: str) -> None:
        main(
            [
                *("edit", "--out", str(tmp_path / "e"), "--init", str(base), "--device", "cpu"),
                *("--pairs", str(tmp_path / "pairs"), "--size", "32x32", "--instruction", "x"),
                *("--batch", "2", "--steps", "1", "--sample-every", "9", *more),
            ]
        )

    train("--schedule", str(other))
    assert "time embedding was fitted to another noise schedule" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="was made for v_prediction, a signal-to-noise ratio of 3"):
        train("--export-only")
    shutil.rmtree(tmp_path / "e" / "model")
    train("--schedule", str(other), "--export-only")
    assert "fitted" not in capsys.readouterr().out
    made = load_pipeline(tmp_path / "e" / "model", EDIT, torch.float32)
    assert torch.equal(made.scheduler.alphas_cumprod, build_scheduler().alphas_cumprod)


@pytest.mark.parametrize("name", scheduler_names(flow=False))
@pytest.mark.parametrize("steps", [1, 3, 20, 50])
def test_every_scheduler_understands_the_schedule_of_pocket(name: str, steps: int) -> None:
    own = dict(build_scheduler().config) | {"_class_name": "DDIMScheduler"}
    made = SchedulerFactory(own, outdated_defaults=True).make(name)
    made.set_timesteps(steps)
    assert len(set(made.timesteps.tolist())) >= min(steps, 7)
    assert torch.isfinite(made.timesteps.float()).all()
    assert torch.allclose(made.alphas_cumprod[:-1], POCKET.alphas[:-1], atol=1e-6)
    if hasattr(made, "sigmas"):
        assert torch.isfinite(made.sigmas).all()
