from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.training.autoencoder import AutoencoderTask, build, psnr, roundtrip, set_scale
from inference.training.loop import LoopSettings, Trainer, schedule


def pictures() -> NDArray[np.uint8]:
    y, x = np.mgrid[0:32, 0:32]
    base = np.stack([x * 7, y * 7, 255 - x * 4], axis=2).astype(np.uint8)
    return np.stack([base, base[::-1], base[:, ::-1], 255 - base])


def trainer(out: Path, steps: int) -> Trainer:
    torch.manual_seed(0)
    model = build(channels=(8, 8, 16, 16), latent=4)
    task = AutoencoderTask(model, pictures(), batch=2, crop=16)
    settings = LoopSettings(
        out=out, steps=steps, learning_rate=3e-3, warmup=2, ema=0.9, save_every=5, sample_every=1000
    )
    return Trainer(task, settings)


def test_the_loss_falls(tmp_path: Path) -> None:
    run = trainer(tmp_path, 25)
    before = run.task.loss(0, torch.Generator().manual_seed(1))[1]["loss"]
    run.run()
    after = run.task.loss(0, torch.Generator().manual_seed(1))[1]["loss"]
    assert after < 0.92 * before


def test_an_interrupted_run_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", 12)
    whole.run()
    broken = trainer(tmp_path / "broken", 12)
    broken.run(stop=lambda step: step == 7)
    again = trainer(tmp_path / "broken", 12)
    assert again.resume()
    assert again.step == 7
    again.run()
    for ours, theirs in ((whole.average, again.average),):
        for key, value in ours["vae"].items():
            assert torch.equal(value, theirs["vae"][key]), key
    for (key, value), other in zip(
        whole.modules["vae"].state_dict().items(),
        again.modules["vae"].state_dict().values(),
        strict=True,
    ):
        assert torch.equal(value, other), key


def test_a_checkpoint_is_replaced_whole(tmp_path: Path) -> None:
    run = trainer(tmp_path, 5)
    assert not run.resume()
    run.run()
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_the_learning_rate_warms_up_and_cools_down() -> None:
    assert schedule(0, 0.5, 0.1) == 0.5
    assert schedule(0, 1, 0.1) == 1
    assert abs(schedule(1, 1, 0.1) - 0.1) < 1e-9


def test_scale_makes_unit_latents() -> None:
    torch.manual_seed(1)
    model = build(channels=(8, 8, 16, 16), latent=4)
    factor = set_scale(model, pictures())
    assert model.config.scaling_factor == factor > 0
    back = roundtrip(model, pictures())
    assert back.shape == pictures().shape
    assert psnr(back, back) == float("inf")
