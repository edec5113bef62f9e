"""Passes that are made wider where that changes no bit, with tensors in place of a model."""

import pytest
import torch
from torch import Tensor

from inference.engine.passes import RanOut
from inference.engine.widths import Widths

KIND = ("some kind",)
RIGHT = torch.arange(6.0)
NEARLY = RIGHT.nextafter(torch.tensor(9.0))


class Pass:
    """A forward pass that gives this, or has no room."""

    def __init__(self, gives: Tensor | None) -> None:
        self.gives = gives
        self.calls = 0

    def __call__(self) -> Tensor:
        self.calls += 1
        if self.gives is None:
            raise RanOut("no room")
        return self.gives


def test_a_width_is_compared_once_and_then_used() -> None:
    widths, usual = Widths(), Pass(RIGHT)
    wide = Pass(RIGHT.clone())
    assert widths.most(KIND, 8) == 8
    assert widths.predict(KIND, 6, wide, usual) is usual.gives
    assert widths.predict(KIND, 6, wide, usual) is wide.gives
    assert (wide.calls, usual.calls) == (2, 1)
    assert widths.predict(KIND, 4, wide, usual) is usual.gives, "another width is another kernel"
    assert widths.most(KIND, 8) == 8


def test_a_single_bit_keeps_the_kind_to_its_usual_pass() -> None:
    widths, usual, wide = Widths(), Pass(RIGHT), Pass(NEARLY)
    assert widths.most(KIND, 8) == 8
    for rows in (6, 6, 4):
        assert widths.predict(KIND, rows, wide, usual) is usual.gives
    assert wide.calls == 1
    assert widths.most(KIND, 8) == 0
    assert widths.most(("another kind",), 8) == 8


def test_only_what_is_as_wide_as_the_pass_without_room_is_not_tried_again() -> None:
    widths, usual, wide = Widths(), Pass(RIGHT), Pass(RIGHT)
    for rows in (8, 6):
        assert widths.most(KIND, 8) == 8
        widths.predict(KIND, rows, wide, usual)
    for wide.gives in (None, RIGHT):
        assert widths.predict(KIND, 8, wide, usual) is usual.gives
    assert wide.calls == 3
    assert widths.most(KIND, 8) == 7
    assert widths.predict(KIND, 6, wide, Pass(None)) is wide.gives


def test_a_comparison_without_room_is_not_made_again() -> None:
    widths, never = Widths(), Pass(None)
    assert widths.most(KIND, 8) == 8
    for _ in range(2):
        assert widths.predict(KIND, 6, never, Pass(RIGHT)) is RIGHT
    assert never.calls == 1
    assert widths.most(KIND, 8) == 5


def test_the_usual_pass_without_room_is_the_ladders_affair() -> None:
    widths = Widths()
    assert widths.most(KIND, 8) == 8
    with pytest.raises(RanOut):
        widths.predict(KIND, 6, Pass(RIGHT), Pass(None))
    assert widths.most(KIND, 8) == 8, "nothing was learned"
