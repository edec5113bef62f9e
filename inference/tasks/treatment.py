"""What sets apart the tasks that are image-to-image at heart: what is done before and after.

They share forward passes with plain image-to-image, for to the engine they are nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL import Image

from inference.tasks.colorize import coloured, without_colour
from inference.tasks.sketch import clean_drawing


def _as_it_is(picture: Image.Image) -> Image.Image:
    return picture


def _as_painted(_source: Image.Image, painted: Image.Image) -> Image.Image:
    return painted


@dataclass(frozen=True, kw_only=True, slots=True)
class Treatment:
    """What a task does around the model. Pictures are RGB.

    before: makes of the source what is painted over, in its own size.
    after: makes the result of the source at the result's size, and of what was painted.
    """

    before: Callable[[Image.Image], Image.Image] = _as_it_is
    after: Callable[[Image.Image, Image.Image], Image.Image] = _as_painted


PLAIN = Treatment()

TREATMENTS: Mapping[str, Treatment] = {
    "sketch": Treatment(before=clean_drawing),
    "colorize": Treatment(before=without_colour, after=coloured),
}
"""By the task's name; the others are PLAIN."""
