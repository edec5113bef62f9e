"""What the tasks do around the model."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.request import TASKS
from inference.tasks.colorize import LUMA, coloured, without_colour
from inference.tasks.registry import PROGRAMS
from inference.tasks.sketch import clean_drawing
from inference.tasks.treatment import TREATMENTS

INK, RED = (60, 60, 70), (200, 60, 40)


def drawing(paper: tuple[int, int, int] = (236, 228, 210)) -> Image.Image:
    picture = Image.new("RGB", (400, 300), paper)
    pen = ImageDraw.Draw(picture)
    pen.line([(80, 260), (80, 150), (160, 80), (240, 150), (240, 260), (80, 260)], INK, 4)
    pen.ellipse((300, 40, 360, 100), outline=RED, width=5)
    return picture


def photographed(picture: Image.Image) -> Image.Image:
    """Unevenly lit, and noisy."""
    light = 0.45 + 0.55 * np.linspace(0, 1, picture.width)[None, :, None]
    noise = np.random.default_rng(0).normal(0, 4, (picture.height, picture.width, 3))
    shaded = np.asarray(picture) * light + noise
    return Image.fromarray(np.clip(shaded, 0, 255).astype(np.uint8))


def luma(picture: Image.Image) -> NDArray[np.float32]:
    return np.asarray(picture, dtype=np.float32) @ LUMA


def test_treatments_are_those_of_tasks_that_are_no_programs() -> None:
    assert set(TREATMENTS) <= set(TASKS) - set(PROGRAMS)


@pytest.mark.parametrize("shown", [drawing(), photographed(drawing())])
def test_paper_becomes_white_and_lines_stay(shown: Image.Image) -> None:
    cleaned = clean_drawing(shown)
    assert cleaned.size == shown.size
    truth = luma(drawing()) < 150
    light = luma(cleaned)
    paper = light[~truth]
    assert paper.mean() > 250
    assert (paper > 235).mean() > 0.99
    assert (light[truth] < 128).mean() > 0.95


def test_coloured_lines_keep_their_colour() -> None:
    cleaned = np.asarray(clean_drawing(photographed(drawing())), dtype=int)
    red = cleaned[70, 302]
    assert red[0] > red[1] + 80
    assert red[0] > red[2] + 80


def test_chalk_on_a_board_is_left_as_it_is() -> None:
    board = drawing(paper=(30, 34, 32))
    assert clean_drawing(board).tobytes() == board.tobytes()


def test_grey_has_no_colour_and_the_same_light() -> None:
    grey = without_colour(drawing())
    pixels = np.asarray(grey)
    assert (pixels == pixels[..., :1]).all()
    assert np.abs(luma(grey) - luma(drawing())).max() <= 1


def test_the_light_of_a_coloured_picture_is_the_sources() -> None:
    numbers = np.random.default_rng(1)
    source = Image.fromarray(numbers.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    painted = Image.fromarray(numbers.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    difference = np.abs(luma(coloured(source, painted)) - luma(source))
    assert difference.max() <= 1
    assert difference.mean() < 0.5


def test_the_colour_comes_from_what_was_painted() -> None:
    grey = Image.new("RGB", (4, 4), (120, 120, 120))
    red, green, blue = np.asarray(coloured(grey, Image.new("RGB", (4, 4), (200, 40, 40))))[0, 0]
    assert red > 180
    assert green < 110
    assert blue < 110
    again = coloured(grey, Image.new("RGB", (4, 4), (70, 70, 70)))
    assert np.asarray(again)[0, 0].tolist() == [120, 120, 120]
