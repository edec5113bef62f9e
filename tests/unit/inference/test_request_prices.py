"""What a task costs that paints a part of a large picture."""

from inference.options import Inpaint, Outpaint
from inference.request import Recipe

BUDGET = 512 * 512


def test_a_part_of_a_large_picture_costs_what_the_model_paints() -> None:
    inpaint = Recipe(prompt="fog", task="inpaint", options=Inpaint())
    assert inpaint.painted(2048, 1024, BUDGET) == (724, 362)
    assert inpaint.painted(300, 200, BUDGET) == (300, 200)
    outpaint = Recipe(prompt="fog", task="outpaint", options=Outpaint(left=1.0))
    assert outpaint.painted(1024, 512, BUDGET) == (724, 362)


def test_a_whole_picture_costs_its_own_size() -> None:
    assert Recipe(prompt="fog").painted(2048, 1024, BUDGET) == (2048, 1024)
    assert Recipe(prompt="", task="upscale").painted(2048, 1024, BUDGET) == (2048, 1024)
