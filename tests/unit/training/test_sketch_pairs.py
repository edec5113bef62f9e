"""Drawings and what they show: exact outlines, and a clear summer day behind every line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.training.rendering import label_map, outlines
from inference.training.scenes import Scenery, picture_of
from inference.training.sketch_pairs import (
    DRAWINGS,
    FILTERS,
    LINED,
    SketchPairs,
    drawn_pair,
    fair,
    fair_picture,
    fair_pile,
    sketch,
)
from inference.training.world import HELD_OUT, scene

SIZE = (96, 64)


def test_outlines_lie_where_one_thing_ends() -> None:
    for seed in (3, 4):
        it = scene(seed)
        lines, labels = outlines(it, SIZE) > 0, label_map(it, SIZE)
        assert lines.shape == labels.shape == (64, 96)
        ends = np.zeros(labels.shape, bool)
        ends[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        ends[1:] |= labels[1:] != labels[:-1]
        beside = lines.copy()
        beside[:, 1:] |= lines[:, :-1]
        beside[1:] |= lines[:-1]
        assert beside[ends].all()
        assert 0.01 < lines.mean() < 0.3, "lines, not surfaces"


def test_light_draws_no_line() -> None:
    day = fair(scene(7))
    other = replace(day, time="night", season="winter", weather="rain")
    assert np.array_equal(outlines(day, SIZE), outlines(other, SIZE))
    dark = np.asarray(picture_of(7, SIZE))
    assert not np.array_equal(dark, fair_picture(7, SIZE)[..., :3])


@pytest.mark.parametrize("kind", FILTERS)
def test_a_sketch_is_mostly_paper_with_strokes_on_it(kind: str) -> None:
    drawn = sketch(picture_of(4, (96, 96)), kind, np.random.default_rng(0))
    assert drawn.shape == (96, 96, 3)
    assert np.median(drawn) > 110
    assert drawn.std() > 12


@pytest.mark.parametrize("kind", DRAWINGS)
def test_lines_show_a_clear_summer_day_and_shading_shows_the_scene_itself(kind: str) -> None:
    rng = np.random.default_rng(0)
    drawn, shown = drawn_pair(8, kind, SIZE, rng)
    assert drawn.shape == shown.shape == (64, 96, 3)
    assert np.array_equal(shown, fair_picture(8, SIZE)[..., :3]) == (kind in LINED)
    assert np.array_equal(shown, picture_of(8, SIZE)) == (kind not in LINED)


def test_a_pen_leaves_paper_and_two_are_never_the_same() -> None:
    rng = np.random.default_rng(0)
    first, second = (drawn_pair(8, "pen", SIZE, rng)[0] for _ in range(2))
    assert np.median(first) > 235
    assert first.min() < 140
    assert not np.array_equal(first, second)


def test_pairs_of_every_kind_and_none_held_out(tmp_path: Path) -> None:
    pile = fair_pile(tmp_path, range(4), 64)
    assert pile.shape == (4, 64, 64, 4)
    small = np.stack([picture_of(seed, (32, 32)) for seed in range(4)])
    pairs = SketchPairs(Scenery([small], []), pile, side=32, watched=5)
    inputs, outputs = pairs.batch(40, np.random.default_rng(0))
    assert inputs.shape == outputs.shape == (40, 32, 32, 3)
    drawn, held = pairs.held_out()
    assert drawn.shape == (5, 32, 32, 3)
    assert np.array_equal(held[2], fair_picture(HELD_OUT + 2, (32, 32))[..., :3])
    assert all(not np.array_equal(a, b) for a in held for b in outputs)
