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
    widths, usual = Widths(8), Pass(RIGHT)
    wide = Pass(RIGHT.clone())
    assert widths.most(KIND, 2) == 8
    assert widths.predict(KIND, 6, wide, usual) is usual.gives
    assert widths.predict(KIND, 6, wide, usual) is wide.gives
    assert (wide.calls, usual.calls) == (2, 1)
    assert widths.predict(KIND, 4, wide, usual) is usual.gives, "another width is another kernel"
    assert widths.most(KIND, 2) == 8


def test_a_single_bit_keeps_the_kind_to_its_usual_pass() -> None:
    widths, usual, wide = Widths(8), Pass(RIGHT), Pass(NEARLY)
    for _ in range(3):
        assert widths.predict(KIND, 6, wide, usual) is usual.gives
    assert wide.calls == 1
    assert widths.most(KIND, 2) == 2
    assert widths.most(("another kind",), 2) == 8


def test_a_wide_pass_without_room_is_not_tried_again() -> None:
    widths, usual, wide = Widths(8), Pass(RIGHT), Pass(RIGHT)
    widths.predict(KIND, 6, wide, usual)
    for wide.gives in (None, RIGHT):
        assert widths.predict(KIND, 6, wide, usual) is usual.gives
    assert wide.calls == 2
    never = Pass(None)
    assert widths.predict(("another kind",), 6, never, usual) is usual.gives
    assert widths.most(("another kind",), 2) == 2


def test_the_usual_pass_without_room_is_the_ladders_affair() -> None:
    widths = Widths(8)
    with pytest.raises(RanOut):
        widths.predict(KIND, 6, Pass(RIGHT), Pass(None))
    assert widths.most(KIND, 2) == 8, "nothing was learned"


def test_none_is_wider_than_the_usual_pass_where_that_is_asked_for() -> None:
    assert Widths(0).most(KIND, 2) == 2
    assert Widths(8).most(KIND, 12) == 12
