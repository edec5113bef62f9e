import random

import numpy as np
import pytest

from inference.training.captions import STYLE_WORDS, caption
from inference.training.data import facts_of, group
from inference.training.rendering import LABELS, label_map, mask, photograph, render
from inference.training.styles import STYLES, stylise, to_array
from inference.training.subjects import SUBJECTS
from inference.training.world import scene


def test_a_seed_is_a_picture() -> None:
    for seed in (0, 5, 1_000_003):
        assert scene(seed) == scene(seed)
        a = np.asarray(render(scene(seed), "watercolour", (96, 64)))
        b = np.asarray(render(scene(seed), "watercolour", (96, 64)))
        assert np.array_equal(a, b)
    assert scene(1) != scene(2)


@pytest.mark.parametrize("style", list(STYLES))
@pytest.mark.parametrize("size", [(97, 61), (41, 130), (17, 9)])
def test_every_style_at_odd_sizes(style: str, size: tuple[int, int]) -> None:
    picture = render(scene(11), style, size)
    assert picture.size == size
    assert picture.mode == "RGB"
    assert np.isfinite(np.asarray(picture, np.float32)).all()


def test_styles_differ_and_keep_the_dtype() -> None:
    body = photograph(scene(8), (96, 96))
    made = {style: stylise(body, style, 3) for style in STYLES}
    for style, picture in made.items():
        assert picture.dtype == np.float32
        assert picture.shape == body.shape
        assert 0 <= picture.min() <= picture.max() <= 1
        others = [np.abs(picture - made[o]).mean() for o in STYLES if o != style]
        assert min(others) > 0.01
    grey = made["grayscale"]
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_every_subject_shows_in_its_mask() -> None:
    seen = set()
    for seed in range(200):
        it = scene(seed)
        if it.subject in seen:
            continue
        seen.add(it.subject)
        subject = np.asarray(mask(it, "subject", (96, 96)))
        assert subject.max() == 255, it
        assert np.array_equal(subject == 255, label_map(it, (96, 96)) == LABELS["subject"])
    assert seen == set(SUBJECTS)
    assert len(seen) >= 12


def test_the_subject_fills_its_mask() -> None:
    it = scene(5)
    picture = to_array(render(it, "photo", (128, 128)))
    inside = np.asarray(mask(it, "subject", (128, 128))) > 0
    sky = np.asarray(mask(it, "sky", (128, 128))) > 0
    assert not (inside & sky).any()
    assert np.abs(picture[inside].mean(0) - picture[sky].mean(0)).max() > 0.05


def test_captions_say_what_is_there() -> None:
    rng = random.Random(0)
    for seed in range(60):
        style = list(STYLES)[seed % len(STYLES)]
        words = {caption(facts_of(scene(seed), style), rng).lower() for _ in range(25)}
        assert len(words) > 8
        named = [w for w in words if any(n.lower() in w for n in STYLE_WORDS[style])]
        assert len(named) == len(words)
    plain = {caption(facts_of(scene(5), "photo"), rng, name_style=False).lower() for _ in range(30)}
    assert any("photo" not in p and "picture" not in p for p in plain)


def test_groups_are_their_seed() -> None:
    a, b = group(3, (48, 40)), group(3, (48, 40))
    assert np.array_equal(a.pixels, b.pixels)
    assert a.facts == b.facts
    assert a.pixels.shape == (6, 40, 48, 3)
    assert a.facts[0].style == "photo"
    assert a.facts[0].body == 0
