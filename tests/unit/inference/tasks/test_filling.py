"""What lies in a hole before a model paints over it."""

import numpy as np
from PIL import Image, ImageDraw

from inference.tasks.filling import filled, noised

HOLE = Image.new("L", (61, 47))
ImageDraw.Draw(HOLE).rectangle((20, 10, 44, 33), fill=255)
INSIDE = np.asarray(HOLE) > 0


def test_a_hole_in_one_colour_gets_that_colour() -> None:
    picture = Image.new("RGB", HOLE.size, (40, 90, 160))
    picture.paste("white", mask=HOLE)
    assert set(filled(picture, HOLE).get_flattened_data()) == {(40, 90, 160)}


def test_a_hole_is_as_its_surroundings_on_each_side() -> None:
    picture = Image.linear_gradient("L").rotate(90).resize(HOLE.size).convert("RGB")
    spoilt = picture.copy()
    spoilt.paste("red", mask=HOLE)
    made = np.asarray(filled(spoilt, HOLE)).astype(int)
    off = np.abs(made - np.asarray(picture).astype(int))
    assert off[~INSIDE].max() == 0
    assert off[INSIDE].mean() < 12


def test_all_hole_is_something() -> None:
    made = filled(Image.new("RGB", (9, 5), "red"), Image.new("L", (9, 5), 255))
    assert made.size == (9, 5)


def test_noise_lies_in_the_hole_alone_and_comes_from_the_seed() -> None:
    picture = Image.new("RGB", HOLE.size, "grey")
    made = [np.asarray(noised(picture, HOLE, amount=40, seed=seed)) for seed in (1, 1, 2)]
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()
    assert (made[0][~INSIDE] == 128).all()
    assert 20 < made[0][INSIDE].std() < 60
