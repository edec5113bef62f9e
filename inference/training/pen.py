"""The pen that subjects are drawn with: unit coordinates in, colour, label and light out."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import ImageDraw

Colour = tuple[float, float, float]
Point = tuple[float, float]


class Pen:
    """Draws one object into a colour, a label and a light image at once, in unit coordinates."""

    def __init__(
        self,
        *,
        layers: Sequence[ImageDraw.ImageDraw],
        origin: Point,
        unit: float,
        flip: bool,
        label: int,
        rng: np.random.Generator,
        leaf: Colour,
        usual: bool = False,
    ) -> None:
        """`layers` are the colour (RGB), label (L) and light (L) images; `unit` is in pixels.

        With `usual` nothing has a colour of its own.
        """
        self.colour, self.labels, self.light = layers
        self.origin = origin
        self.unit = unit
        self.sign = -1.0 if flip else 1.0
        self.label = label
        self.rng = rng
        self.leaf = leaf
        self.usual = usual

    def pick(self, colours: Sequence[Colour], usual: int = 0) -> Colour:
        """One of `colours`, a little varied; or as it is the one of that number, the usual."""
        base = colours[int(self.rng.integers(len(colours)))]
        r, g, b = np.clip(np.array(base) + self.rng.normal(0, 0.035, 3), 0, 1).tolist()
        return colours[usual] if self.usual else (r, g, b)

    def _map(self, points: Sequence[Point]) -> list[Point]:
        ox, oy = self.origin
        return [(ox + self.sign * x * self.unit, oy - y * self.unit) for x, y in points]

    def poly(self, points: Sequence[Point], colour: Colour, emit: bool = False) -> None:
        """A filled polygon."""
        at = self._map(points)
        self.colour.polygon(at, fill=rgb(colour))
        self.labels.polygon(at, fill=self.label)
        self.light.polygon(at, fill=255 if emit else 0)

    def box(  # noqa: PLR0917
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, emit: bool = False
    ) -> None:
        """A filled rectangle."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, emit)

    def disc(  # noqa: PLR0917
        self, x: float, y: float, rx: float, colour: Colour, ry: float = 0.0, emit: bool = False
    ) -> None:
        """A filled ellipse; `ry` is `rx` when left out."""
        ry = ry or rx
        turns = np.linspace(0, 2 * math.pi, 25)[:-1]
        self.poly([(x + rx * math.cos(t), y + ry * math.sin(t)) for t in turns], colour, emit)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """An open line, `width` in units."""
        at = self._map(points)
        pixels = max(1, round(width * self.unit))
        self.colour.line(at, fill=rgb(colour), width=pixels, joint="curve")
        self.labels.line(at, fill=self.label, width=pixels, joint="curve")
        self.light.line(at, fill=0, width=pixels)


def rgb(colour: Colour) -> tuple[int, int, int]:
    """A colour in 0..1 as bytes."""
    r, g, b = (round(255 * min(1.0, max(0.0, c))) for c in colour)
    return (r, g, b)


def shade(colour: Colour, factor: float) -> Colour:
    """The colour times a factor, clipped to 0..1."""
    r, g, b = (min(1.0, max(0.0, c * factor)) for c in colour)
    return (r, g, b)
