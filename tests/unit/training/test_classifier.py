"""The judge learns, sees where the sky ends, and comes back from its folder as it was."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inference.errors import ModelError
from inference.training.classifier import (
    HEADS,
    Classifier,
    ClassifierTask,
    Judge,
    load_judge,
    save_judge,
)
from inference.training.examinations import (
    COARSE,
    COLOURED,
    SIDE,
    UNSEEN,
    Examination,
    examine,
    kept,
    labels_of,
    question,
    sky_line,
)
from inference.training.loop import LoopSettings, Trainer
from inference.training.rendering import LABELS
from inference.training.world import TIMES, scene


@pytest.fixture(scope="module")
def lessons() -> Examination:
    return examine(range(8))


def trainer(out: Path, lessons: Examination, steps: int) -> Trainer:
    torch.manual_seed(0)
    task = ClassifierTask(
        Classifier((8, 16, 24, 32), 16), lessons, lessons, batch=8, autocast=False
    )
    settings = LoopSettings(out=out, steps=steps, learning_rate=5e-3, warmup=2, sample_every=1000)
    return Trainer(task, settings)


def test_it_learns_a_few_pictures_by_heart(tmp_path: Path, lessons: Examination) -> None:
    run = trainer(tmp_path, lessons, 60)
    before = run.task.loss(0, torch.Generator().manual_seed(1))[1]["loss"]
    run.run()
    after = run.task.loss(0, torch.Generator().manual_seed(1))[1]["loss"]
    assert after < 0.4 * before
    marks = Judge(run.modules["judge"]).marks(lessons)  # type: ignore[arg-type]
    assert set(marks) == set(HEADS)
    assert min(marks.values()) > 0.7


def test_an_interrupted_training_ends_in_the_same_weights(
    tmp_path: Path, lessons: Examination
) -> None:
    whole = trainer(tmp_path / "whole", lessons, 4)
    whole.run()
    trainer(tmp_path / "broken", lessons, 4).run(stop=lambda step: step == 2)
    again = trainer(tmp_path / "broken", lessons, 4)
    assert again.resume()
    again.run()
    for key, value in whole.modules["judge"].state_dict().items():
        assert torch.equal(value, again.modules["judge"].state_dict()[key]), key


def test_a_question_knows_its_answer() -> None:
    for seed, style in ((3, "oil"), (4, "pencil")):
        pixels, (where, time, subject) = question(seed, style)
        it = scene(seed)
        assert pixels.shape == (SIDE, SIDE, 3)
        assert HEADS["style"][where] == style
        assert HEADS["subject"][subject] == it.subject
        assert time == (TIMES.index(it.time) if style in COLOURED else UNSEEN)
    assert np.array_equal(question(5)[0], question(5)[0])


def test_an_examination_is_rendered_once(tmp_path: Path) -> None:
    first = kept(tmp_path, range(2))
    (path,) = tmp_path.iterdir()
    made = path.stat().st_mtime_ns
    again = kept(tmp_path, range(2))
    assert path.stat().st_mtime_ns == made
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.labels, again.labels)


def test_the_sky_ends_where_the_ridge_begins() -> None:
    labels = np.full((8, 5), LABELS["ground"], np.uint8)
    labels[:4] = LABELS["far"]
    labels[:2] = LABELS["sky"]
    labels[1:6, 1] = LABELS["subject"]
    labels[0, 2] = LABELS["props"]
    labels[:, 3] = LABELS["sky"]
    labels[3, 4] = LABELS["sky"]
    line, ridge = sky_line(labels)
    assert line[0] == 0.25
    assert ridge.tolist() == [True, False, False, False, False]


def test_most_scenes_have_a_ridge_to_measure() -> None:
    found = [sky_line(labels_of(seed))[1].mean() for seed in range(12)]
    assert np.mean(found) > 0.4


def test_a_judge_comes_back_from_its_folder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Classifier()
    save_judge(model, tmp_path, {"style": 0.5})
    picture = Image.fromarray(question(9)[0])
    (ours,), (theirs,) = Judge(model).look([picture]), load_judge(tmp_path).look([picture])
    assert (ours.style, ours.time, ours.subject) == (theirs.style, theirs.time, theirs.subject)
    assert ours.sky.shape == (COARSE,)
    assert np.abs(ours.sky - theirs.sky).max() < 0.01
    assert 0 <= ours.sky.min() <= ours.sky.max() <= 1


def test_without_a_judge_the_way_to_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"inference\.training classifier"):
        load_judge(tmp_path)
