"""Drawings and what they show: exact outlines, and a clear summer day behind every line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.training.rendering import LABELS, label_map, outlines
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
from inference.training.world import HELD_OUT, Scene, scene

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
    drawn, shown = drawn_pair(8, kind, SIZE, np.random.default_rng(0))
    assert drawn.shape == shown.shape == (64, 96, 3)
    fair = [fair_picture(8, SIZE, usual=usual)[..., :3] for usual in (True, False)]
    assert any(np.array_equal(shown, one) for one in fair) == (kind in LINED)
    assert np.array_equal(shown, picture_of(8, SIZE)) == (kind not in LINED)


def test_what_tells_no_colour_has_the_usual_one_and_a_crayon_s_is_kept() -> None:
    usual, own = (fair_picture(8, SIZE, usual=usual)[..., :3] for usual in (True, False))
    assert not np.array_equal(usual, own)
    for kind in ("pen", "line"):
        assert np.array_equal(drawn_pair(8, kind, SIZE, np.random.default_rng(0))[1], usual)
    seen = {False: 0, True: 0}
    for seed in range(12):
        drawn, shown = drawn_pair(8, "child", SIZE, np.random.default_rng(seed))
        coloured = bool(np.ptp(drawn.astype(int), axis=2).max() > 30)
        assert np.array_equal(shown, own if coloured else usual)
        seen[coloured] += 1
    assert min(seen.values()) > 0


def test_usual_colours_are_the_same_in_every_scene_and_move_nothing() -> None:
    cats = [seed for seed in range(200) if scene(seed).subject == "cat"][:4]
    for seed in cats:
        own, usual = (replace(fair(scene(seed)), usual_colours=which) for which in (False, True))
        assert np.array_equal(label_map(own, SIZE), label_map(usual, SIZE))
    colours = [_commonest(fair_picture(seed, (128, 128)), scene(seed)) for seed in cats]
    assert np.ptp(np.array(colours), axis=0).max() < 40
    theirs = [_commonest(fair_picture(s, (128, 128), usual=False), scene(s)) for s in cats]
    assert np.ptp(np.array(theirs), axis=0).max() > 60


def _commonest(picture: np.ndarray, it: Scene) -> list[float]:
    """The median colour of the subject."""
    labels = label_map(fair(it), (picture.shape[1], picture.shape[0]))
    return [float(v) for v in np.median(picture[labels == LABELS["subject"]][:, :3], axis=0)]


def test_a_pen_leaves_paper_and_two_are_never_the_same() -> None:
    rng = np.random.default_rng(0)
    first, second = (drawn_pair(8, "pen", SIZE, rng)[0] for _ in range(2))
    assert np.median(first) > 235
    assert first.min() < 140
    assert not np.array_equal(first, second)


def test_pairs_of_every_kind_and_none_held_out(tmp_path: Path) -> None:
    usual, own = (fair_pile(tmp_path, range(4), 64, usual=usual) for usual in (True, False))
    assert usual.shape == own.shape == (4, 64, 64, 4)
    small = np.stack([picture_of(seed, (64, 64)) for seed in range(4)])
    pairs = SketchPairs(Scenery([small], []), usual, own, side=64, watched=5)
    inputs, outputs = pairs.batch(60, np.random.default_rng(0))
    assert inputs.shape == outputs.shape == (60, 64, 64, 3)
    for pile in (usual, own, small):
        known = [one[:, ::turn, :3] for one in pile for turn in (1, -1)]
        assert any(np.array_equal(one, other) for one in outputs for other in known)
    drawn, held = pairs.held_out()
    assert drawn.shape == (5, 64, 64, 3)
    assert np.array_equal(held[2], fair_picture(HELD_OUT + 2, (64, 64))[..., :3])
    assert all(not np.array_equal(a, b) for a in held for b in outputs)
