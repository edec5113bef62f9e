"""What a ControlNet is shown of a drawing."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.tasks.control_picture import INK, canny, control_picture, scribble


def square(paper: int = 255, ink: int = 0) -> Image.Image:
    """A filled one, from 16 to 47 both ways."""
    picture = Image.new("RGB", (64, 64), (paper,) * 3)
    ImageDraw.Draw(picture).rectangle((16, 16, 47, 47), fill=(ink,) * 3)
    return picture


def lines(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture)


def test_a_scribble_is_the_drawing_inverted() -> None:
    drawn = square()
    assert (lines(control_picture(drawn, "scribble")) == 255 - np.asarray(drawn)).all()


def test_ink_of_any_colour_is_a_line_and_pale_marks_are_not() -> None:
    picture = Image.new("RGB", (30, 10), "white")
    pen = ImageDraw.Draw(picture)
    colours = ((255, 255, 0), (0, 160, 255), (255 - INK,) * 3, (256 - INK,) * 3)
    for place, colour in enumerate(colours):
        pen.line((5 * place + 2, 0, 5 * place + 2, 9), colour)
    assert np.flatnonzero(scribble(picture)[5]).tolist() == [2, 7, 12]


@pytest.mark.parametrize("board", [0, 20, 90])
def test_chalk_on_a_board_is_not_inverted(board: int) -> None:
    found = scribble(square(paper=board, ink=230))
    assert (found == (np.asarray(square(paper=0, ink=255))[..., 0] > 0)).all()


def test_the_edge_of_a_square_is_one_closed_line_of_a_pixel() -> None:
    edges = canny(square())
    rows, columns = np.nonzero(edges)
    assert {rows.min(), rows.max(), columns.min(), columns.max()} <= {15, 16, 47, 48}
    middle = edges[20:44]  # away from the corners: one pixel on either side
    assert (middle.sum(axis=1) == 2).all()
    assert (edges[:, 20:44].sum(axis=0) == 2).all()
    assert not edges[22:42, 22:42].any()


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 135, 160])
def test_an_edge_in_any_direction_has_no_gap_and_no_width(angle: int) -> None:
    y, x = np.mgrid[:64, :64] - 31.5
    across = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    light = (255 * np.clip(across + 0.5, 0, 1)).astype(np.uint8)
    edges = canny(Image.fromarray(light).convert("RGB"))[4:-4, 4:-4]
    assert (np.abs(across[4:-4, 4:-4][edges]) <= 1).all()
    # A line of places that touch by sides or corners has as many as its longer extent.
    along = 0 if abs(np.cos(np.radians(angle))) > abs(np.sin(np.radians(angle))) else 1
    counts = edges.sum(axis=1 - along)
    assert counts.min() >= 1
    assert counts.max() <= 2


def test_a_weak_edge_counts_only_where_it_hangs_together_with_a_strong_one() -> None:
    picture = np.full((64, 64), 200, dtype=np.uint8)
    picture[32:, :32] = 80  # strong on the left …
    picture[32:, 32:] = 145  # … and the same edge goes on weakly
    edges = canny(Image.fromarray(picture).convert("RGB"))
    assert edges[30:34, 36:60].any(axis=0).all()
    picture[32:, :32] = 145
    assert not canny(Image.fromarray(picture).convert("RGB")).any()


def test_even_paper_and_a_soft_shade_have_no_edge() -> None:
    shade = np.linspace(0, 255, 64, dtype=np.uint8)[None].repeat(64, axis=0)
    for light in (np.full((64, 64), 255, dtype=np.uint8), shade):
        assert not canny(Image.fromarray(light).convert("RGB")).any()


@pytest.mark.parametrize("kind", ["scribble", "canny"])
@pytest.mark.parametrize("size", [(1, 1), (3, 70), (640, 2)])
def test_any_size_gives_that_size(kind: str, size: tuple[int, int]) -> None:
    found = control_picture(Image.new("RGB", size, "white"), kind)
    assert (found.mode, found.size) == ("RGB", size)
    assert not lines(found).any()
