"""Training an editor: its examples, its UNet, and the command from a folder of pairs to a model."""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from PIL import Image

from inference.engine.factory import load_engine
from inference.errors import ModelError
from inference.model_info import describe
from inference.request import GenerationRequest
from inference.result import GenerationResult
from inference.training.__main__ import main
from inference.training.averaged import averaged
from inference.training.base_model import SD, load_pipeline
from inference.training.crops import PairCrops
from inference.training.data import group
from inference.training.edit import EditTask, draw_step, drop, widen
from inference.training.edits import (
    EditBatch,
    PairEdits,
)
from inference.training.loop import LoopSettings, Trainer
from inference.training.noising import Noising
from inference.training.pairs import check, read_picture
from inference.training.pocket import build_scheduler
from inference.training.shards import gather, write
from tests import tiny
from tests.pair_folder import slope, write_pairs


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.sd(tmp_path_factory.mktemp("base"), zero_snr=True, latent_channels=8)


def task_on_pairs(base: Path, pairs: Path) -> EditTask:
    torch.manual_seed(0)
    pipe = load_pipeline(base, SD, torch.float32)
    crops = PairCrops(check(pairs, (32, 32), instruction="colorize"), (32, 32))
    return EditTask(
        widen(pipe.unet),
        pipe.text_encoder,
        pipe.tokenizer,
        PairEdits(crops, pipe.vae, batch=2, autocast=False),
        Noising(pipe.scheduler.config),
        autocast=False,
    )


def trainer(base: Path, folder: Path, steps: int, out: str = "out") -> Trainer:
    if not (folder / "pairs").exists():
        write_pairs(folder / "pairs", {"a": (40, 40), "bb": (48, 36)})
    settings = LoopSettings(
        out=folder / out, steps=steps, learning_rate=3e-3, warmup=2, ema=0.9, save_every=4
    )
    return Trainer(task_on_pairs(base, folder / "pairs"), settings)


def test_words_and_sources_are_dropped_alone_and_together() -> None:
    n = 4000
    whole = EditBatch(
        sources=torch.ones(n, 1, 1, 1),
        targets=torch.ones(n, 1, 1, 1),
        words=("do it",) * n,
        counts=torch.ones(n, 1, 1, 1),
    )
    dropped = drop(whole, random.Random(0))
    kinds = Counter(
        (bool(words), bool(source))
        for words, source in zip(dropped.words, dropped.sources.flatten(), strict=True)
    )
    for kind in ((False, True), (True, False), (False, False)):
        assert 0.04 < kinds[kind] / n < 0.06
    assert bool((dropped.targets == 1).all())


def test_noisy_steps_are_drawn_more_often() -> None:
    rng = random.Random(0)
    drawn = [draw_step(999, rng) for _ in range(4000)]
    assert 0 <= min(drawn) < 50
    assert max(drawn) == 999
    assert 0.74 < sum(step >= 500 for step in drawn) / 4000 < 0.81
    assert 0.085 < sum(step == 999 for step in drawn) / 4000 < 0.12


def test_noising_is_the_scheduler_s() -> None:
    scheduler: DDIMScheduler = build_scheduler()
    ours = Noising(scheduler.config)
    x, e = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0, 500, 999])
    assert torch.allclose(ours.noisy(x, e, steps), scheduler.add_noise(x, e, steps), atol=1e-6)
    assert torch.allclose(ours.wanted(x, e, steps), scheduler.get_velocity(x, e, steps), atol=1e-6)
    assert torch.equal(
        Noising({**scheduler.config, "prediction_type": "epsilon"}).wanted(x, e, steps), e
    )
    assert ours.ratio(steps)[-1] == 0
    assert ours.described == "v_prediction, a signal-to-noise ratio of 3.01 at step 600"
    with pytest.raises(ModelError, match="flow"):
        Noising({"num_train_timesteps": 1000})


def test_the_loss_falls(base: Path, tmp_path: Path) -> None:
    run = trainer(base, tmp_path, 40)

    def now() -> float:
        losses = [run.task.loss(0, torch.Generator().manual_seed(i))[1]["loss"] for i in range(4)]
        return sum(losses) / 4

    before = now()
    run.run()
    assert now() < 0.9 * before


def test_an_interrupted_run_ends_in_the_same_weights(base: Path, tmp_path: Path) -> None:
    whole = trainer(base, tmp_path, 8, "whole")
    whole.run()
    trainer(base, tmp_path, 8, "broken").run(stop=lambda step: step == 5)
    again = trainer(base, tmp_path, 8, "broken")
    assert again.resume()
    assert again.step == 5
    again.run()
    for name, module in whole.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, again.modules[name].state_dict()[key]), key
            assert torch.equal(whole.average[name][key], again.average[name][key]), key


def test_looking_at_the_average_changes_no_bit() -> None:
    module = torch.nn.Linear(2, 2)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    average = {"it": {k: torch.zeros_like(v) for k, v in before.items()}}
    with averaged({"it": module}, average):
        assert not module.training
        assert not module(torch.ones(1, 2)).any()
    assert module.training
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
        assert float(average["it"][key].abs().sum()) == 0


def command(base: Path, pairs: Path, out: Path, *more: str) -> list[str]:
    return [
        *("edit", "--init", str(base), "--out", str(out), "--pairs", str(pairs)),
        *("--instruction", "colorize", "--size", "64x64", "--batch", "2", "--device", "cpu"),
        *("--steps", "2", "--sample-every", "2", *more),
    ]


def test_from_a_folder_of_pairs_to_a_model(base: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64), "bb": (90, 70), "ccc": (64, 80)})
    out = tmp_path / "my-editor"
    main(command(base, pairs, out, "--held-out", "1"))
    with Image.open(out / "edited-000002.png") as sheet:
        assert sheet.size == (3 * 64, 64), "source, answer and truth of the one held-out pair"
        wanted = np.asarray(sheet)[:, 128:]
    held = PairCrops(check(pairs, (64, 64), instruction="")[2:], (64, 64)).centre(0)[1]
    assert np.array_equal(wanted, held)

    info = describe(out / "model")
    assert (info.title, info.default_steps, info.default_guidance) == ("My editor", 20, 2.0)
    pipe = DiffusionPipeline.from_pretrained(out / "model")
    assert type(pipe).__name__ == "StableDiffusionInstructPix2PixPipeline"
    assert pipe.scheduler.config.prediction_type == "v_prediction"
    assert pipe.unet.config.in_channels == 16
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    for key, value in pipe.unet.state_dict().items():
        assert torch.equal(value, state["average"]["unet"][key].half().float()), key
    pipe.set_progress_bar_config(disable=True)
    made = [
        pipe(
            words,
            image=slope(3, (64, 48)),
            num_inference_steps=2,
            generator=torch.Generator().manual_seed(0),
        )
        for words in ("colorize", "blueprint")
    ]
    assert made[0].images[0].size == (64, 48)
    assert made[0].images[0].tobytes() != made[1].images[0].tobytes()


def test_from_rendered_groups_to_a_model(base: Path, tmp_path: Path) -> None:
    write(gather((group(i, (64, 48)) for i in range(4)), 4), tmp_path / "shards")
    out = tmp_path / "out"
    main(
        [
            *("edit", "--init", str(base), "--out", str(out), "--device", "cpu", "--steps", "2"),
            *("--shards", str(tmp_path / "shards"), "--batches", "64x48:2:1"),
            *("--drawings", "6", "--processes", "1", "--sample-every", "2", "--autocast", "off"),
        ]
    )
    drawn = {path.name.split("-")[0] for path in out.glob("*-256-*.npy")}
    assert drawn == {"scenes", "fair", "usual"}, "what is drawn besides is kept"
    with Image.open(out / "edited-000002.png") as sheet:
        assert sheet.size == (3 * 64, 8 * 48), "source, answer and truth of eight tasks"
    assert describe(out / "model").family == "StableDiffusionInstructPix2PixPipeline"
    usual = (out / "model" / "model_index.json").stat().st_mode
    assert {path.stat().st_mode for path in (out / "model").rglob("*.*")} == {usual}


def test_an_editor_can_be_trained_further_from_its_folder(base: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64)})
    main(command(base, pairs, tmp_path / "one"))
    main(command(tmp_path / "one" / "model", pairs, tmp_path / "two", "--freeze-text"))
    state = torch.load(tmp_path / "two" / "checkpoint.pt", weights_only=True)
    assert set(state["modules"]) == {"unet"}


def test_the_engine_runs_what_was_trained(base: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64)})
    main(command(base, pairs, tmp_path / "one"))
    engine = load_engine(describe(tmp_path / "one" / "model"), "cpu")
    data = read_picture(pairs / "input" / "a.png").data
    request = GenerationRequest(
        prompt="colorize", steps=2, strength=1, width=64, height=64, image=data
    )
    engine.submit(0, request, lambda progress: None)
    while not (outcomes := engine.step()):
        pass
    result = outcomes[0].result
    assert isinstance(result, GenerationResult), result
    assert (result.images[0].width, result.images[0].height) == (64, 64)


def test_bad_pairs_train_nothing(base: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64), "b": (64, 64)})
    (pairs / "input" / "a.png").unlink()
    (pairs / "output" / "b.png").write_bytes(b"no")
    with pytest.raises(SystemExit) as stopped:
        main(command(base, pairs, tmp_path / "out"))
    assert "output/a.png has no partner in input." in str(stopped.value)
    assert "output/b.png: " in str(stopped.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ("--size", "60x64"),
            "--size is 60x64, but its sides must be multiples of 8; the nearest is 64x64.",
        ),
        (("--size", "64"), "--size is 64; it must look like 256x256."),
        (("--held-out", "1"), "--held-out is 1, but there are 1 pairs; it can be 0 to 0."),
        (("--batch", "0"), "--batch is 0; it must be at least 1."),
        (("--drawings", "-1"), "--drawings is -1; it must be at least 0."),
        (
            ("--shards", "x"),
            "Name either --shards, for the world's tasks, or --pairs, for your own.",
        ),
        (("--init", "/nowhere"), "/nowhere"),
    ],
)
def test_wrong_options_train_nothing(
    base: Path, tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    pairs = write_pairs(tmp_path / "pairs", {"a": (64, 64)})
    with pytest.raises(SystemExit) as stopped:
        main([*command(base, pairs, tmp_path / "out"), *change])
    assert told in str(stopped.value)
    assert not (tmp_path / "out").exists()


def test_other_models_are_refused(tmp_path: Path) -> None:
    folder = tiny.sdxl(tmp_path / "xl")
    with pytest.raises(ModelError, match="starts from StableDiffusionImg2ImgPipeline or"):
        load_pipeline(folder, SD, torch.float32)
    index = json.loads((folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionXLPipeline"
