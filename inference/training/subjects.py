"""What can stand in a scene: twenty subjects drawn from polygons in their own unit square.

Every subject is a function of a `Pen`. Its x runs from about -0.6 to 0.6 and its y from 0 (the
ground) to 1 (the top), so a subject knows nothing about pixels. Colours are sRGB in 0..1. A shape
drawn with `emit=True` shines at night (a window, a lamp).
"""

import math
from collections.abc import Callable

import numpy as np

from inference.training.pen import Colour, Pen, shade

WALLS: tuple[Colour, ...] = (
    (0.86, 0.80, 0.70),
    (0.75, 0.36, 0.28),
    (0.92, 0.90, 0.86),
    (0.62, 0.68, 0.74),
    (0.85, 0.70, 0.42),
)
ROOFS: tuple[Colour, ...] = (
    (0.62, 0.20, 0.15),
    (0.32, 0.34, 0.42),
    (0.45, 0.28, 0.18),
    (0.20, 0.38, 0.36),
)
BRIGHT: tuple[Colour, ...] = (
    (0.86, 0.20, 0.18),
    (0.95, 0.70, 0.15),
    (0.20, 0.45, 0.80),
    (0.90, 0.45, 0.65),
    (0.95, 0.94, 0.90),
    (0.25, 0.62, 0.45),
    (0.60, 0.35, 0.75),
)
FUR: tuple[Colour, ...] = (
    (0.80, 0.50, 0.22),
    (0.25, 0.23, 0.25),
    (0.62, 0.58, 0.54),
    (0.90, 0.87, 0.80),
    (0.48, 0.34, 0.24),
)
SKIN: tuple[Colour, ...] = (
    (0.95, 0.78, 0.66),
    (0.78, 0.57, 0.42),
    (0.48, 0.32, 0.22),
    (0.88, 0.68, 0.52),
)
STONE: tuple[Colour, ...] = ((0.66, 0.63, 0.58), (0.55, 0.54, 0.56), (0.72, 0.66, 0.56))
WINDOW: Colour = (0.28, 0.34, 0.42)
DARK: Colour = (0.16, 0.13, 0.14)
WOOD: Colour = (0.44, 0.29, 0.18)


def _house(p: Pen) -> None:
    wall, roof = p.pick(WALLS), p.pick(ROOFS)
    p.box(0.2, 0.72, 0.3, 1.0, shade(roof, 0.8))
    p.box(-0.45, 0, 0.45, 0.55, wall)
    p.poly([(-0.55, 0.55), (0.55, 0.55), (0.3, 0.95), (-0.3, 0.95)], roof)
    p.box(-0.08, 0, 0.08, 0.32, WOOD)
    for x in (-0.3, 0.3):
        p.box(x - 0.09, 0.2, x + 0.09, 0.42, WINDOW, emit=True)


def _cabin(p: Pen) -> None:
    p.box(-0.5, 0, 0.5, 0.42, WOOD)
    for y in (0.1, 0.2, 0.3):
        p.line([(-0.5, y), (0.5, y)], 0.015, shade(WOOD, 0.6))
    p.poly([(-0.62, 0.38), (0.62, 0.38), (0, 1.0)], p.pick(ROOFS))
    p.box(-0.12, 0, 0.08, 0.3, DARK)
    p.box(0.2, 0.14, 0.38, 0.32, WINDOW, emit=True)


def _boat(p: Pen) -> None:
    sail = p.pick(((0.95, 0.93, 0.88), (0.90, 0.40, 0.30), (0.95, 0.85, 0.55)))
    p.line([(0, 0.15), (0, 1.0)], 0.03, DARK)
    p.poly([(0.04, 0.22), (0.04, 0.98), (0.5, 0.25)], sail)
    p.poly([(-0.04, 0.25), (-0.04, 0.85), (-0.36, 0.27)], shade(sail, 0.85))
    p.poly([(-0.55, 0.18), (0.58, 0.18), (0.4, -0.03), (-0.38, -0.03)], p.pick(BRIGHT))


def tree(p: Pen) -> None:
    """A round leafy tree in the season's colour."""
    p.poly([(-0.06, 0), (0.06, 0), (0.04, 0.5), (-0.04, 0.5)], WOOD)
    for x, y, r in ((-0.2, 0.52, 0.2), (0.2, 0.55, 0.2), (0, 0.76, 0.24), (0, 0.55, 0.22)):
        p.disc(x + p.rng.normal(0, 0.02), y, r, shade(p.leaf, float(p.rng.uniform(0.8, 1.15))))


def _castle(p: Pen) -> None:
    wall = p.pick(STONE)
    roof = p.pick(ROOFS)
    p.box(-0.4, 0, 0.4, 0.5, wall)
    for i in range(6):
        p.box(-0.4 + i * 0.14, 0.5, -0.33 + i * 0.14, 0.57, wall)
    for x, top in ((-0.45, 0.68), (0.45, 0.68), (0.0, 0.8)):
        p.box(x - 0.12, 0, x + 0.12, top, shade(wall, 0.9))
        p.poly([(x - 0.15, top), (x + 0.15, top), (x, top + 0.25)], roof)
        p.box(x - 0.035, top - 0.22, x + 0.035, top - 0.1, WINDOW, emit=True)
    p.box(-0.08, 0, 0.08, 0.2, DARK)


def _lighthouse(p: Pen) -> None:
    band = p.pick(((0.85, 0.18, 0.16), (0.20, 0.30, 0.55), (0.25, 0.25, 0.28)))
    edges = np.linspace(0, 0.75, 6)
    for i in range(5):
        a, b = float(edges[i]), float(edges[i + 1])
        wa, wb = 0.17 - 0.09 * a, 0.17 - 0.09 * b
        p.poly([(-wa, a), (wa, a), (wb, b), (-wb, b)], band if i % 2 == 0 else (0.94, 0.93, 0.90))
    p.box(-0.14, 0.75, 0.14, 0.78, DARK)
    p.box(-0.08, 0.78, 0.08, 0.9, (0.98, 0.90, 0.55), emit=True)
    p.poly([(-0.11, 0.9), (0.11, 0.9), (0, 1.0)], band)


def _windmill(p: Pen) -> None:
    p.poly([(-0.22, 0), (0.22, 0), (0.13, 0.58), (-0.13, 0.58)], p.pick(WALLS))
    p.poly([(-0.16, 0.58), (0.16, 0.58), (0, 0.74)], p.pick(ROOFS))
    turn = float(p.rng.uniform(0, math.pi / 2))
    for k in range(4):
        a = turn + k * math.pi / 2
        c, s = math.cos(a), math.sin(a)
        p.line([(0, 0.6), (0.42 * c, 0.6 + 0.4 * s)], 0.02, DARK)
        blade = [
            (0.1 * c, 0.6 + 0.1 * s),
            (0.42 * c, 0.6 + 0.4 * s),
            (0.42 * c - 0.09 * s, 0.6 + 0.4 * s + 0.09 * c),
            (0.1 * c - 0.09 * s, 0.6 + 0.1 * s + 0.09 * c),
        ]
        p.poly(blade, (0.93, 0.91, 0.85))
    p.box(-0.06, 0, 0.06, 0.2, WOOD)
    p.box(-0.05, 0.32, 0.05, 0.42, WINDOW, emit=True)


def _bridge(p: Pen) -> None:
    stone = p.pick(STONE)
    top = [(x, 0.42 + 0.16 * math.cos(x * 1.6)) for x in np.linspace(-0.95, 0.95, 15).tolist()]
    p.poly([(-0.95, 0), *top, (0.95, 0)], stone)
    for x in (-0.56, 0.0, 0.56):
        arch = [
            (x + 0.2 * math.cos(t), 0.3 * math.sin(t)) for t in np.linspace(0, math.pi, 12).tolist()
        ]
        p.poly(arch, (0.22, 0.30, 0.36))
    p.line(top, 0.04, shade(stone, 0.7))


def _church(p: Pen) -> None:
    wall, roof = p.pick(WALLS), p.pick(ROOFS)
    p.box(-0.1, 0, 0.5, 0.4, wall)
    p.poly([(-0.12, 0.4), (0.54, 0.4), (0.44, 0.6), (-0.02, 0.6)], roof)
    p.box(-0.4, 0, -0.1, 0.58, shade(wall, 0.92))
    p.poly([(-0.44, 0.58), (-0.06, 0.58), (-0.25, 0.9)], roof)
    p.line([(-0.25, 0.88), (-0.25, 1.02)], 0.025, DARK)
    p.line([(-0.3, 0.97), (-0.2, 0.97)], 0.025, DARK)
    for x in (0.08, 0.24, 0.4):
        p.box(x - 0.04, 0.1, x + 0.04, 0.3, WINDOW, emit=True)
    p.box(-0.31, 0, -0.19, 0.24, WOOD)


def _tower(p: Pen) -> None:
    wall = p.pick(STONE)
    p.box(-0.16, 0, 0.16, 0.85, wall)
    p.box(-0.21, 0.8, 0.21, 0.9, shade(wall, 0.85))
    for x in (-0.21, -0.05, 0.11):
        p.box(x, 0.9, x + 0.1, 0.98, shade(wall, 0.85))
    for y in (0.3, 0.58):
        p.box(-0.04, y, 0.04, y + 0.13, WINDOW, emit=True)
    p.box(-0.06, 0, 0.06, 0.17, DARK)


def _tent(p: Pen) -> None:
    cloth = p.pick(BRIGHT, usual=1)
    p.poly([(-0.6, 0), (0.6, 0), (0, 0.85)], cloth)
    p.poly([(0.6, 0), (0, 0.85), (0.2, 0)], shade(cloth, 0.75))
    p.poly([(-0.16, 0), (0.12, 0), (0, 0.6)], DARK, emit=True)
    p.line([(0, 0.85), (0.0, 1.0)], 0.02, WOOD)


def _cat(p: Pen) -> None:
    fur = p.pick(FUR)
    p.line([(0.25, 0.08), (0.48, 0.15), (0.5, 0.4), (0.42, 0.5)], 0.07, shade(fur, 0.85))
    p.disc(0.04, 0.28, 0.27, fur, 0.3)
    for x in (-0.12, 0.1):
        p.disc(x, 0.05, 0.1, shade(fur, 1.1), 0.06)
    for s in (-1, 1):
        p.poly(
            [(s * 0.24 - 0.03, 0.74), (s * 0.2 - 0.03, 1.0), (s * 0.04 - 0.03, 0.86)],
            shade(fur, 0.9),
        )
    p.disc(-0.03, 0.7, 0.26, fur, 0.22)
    for x in (-0.13, 0.07):
        p.disc(x, 0.73, 0.055, (0.55, 0.75, 0.35), 0.05)
        p.disc(x, 0.73, 0.02, DARK, 0.045)
    p.disc(-0.03, 0.62, 0.09, shade(fur, 1.3), 0.06)
    p.poly([(-0.06, 0.66), (0.0, 0.66), (-0.03, 0.62)], (0.85, 0.45, 0.45))
    for s in (-1, 1):
        for dy in (0.0, 0.04):
            p.line(
                [(s * 0.07 - 0.03, 0.62 + dy / 2), (s * 0.3 - 0.03, 0.6 + dy)],
                0.008,
                (0.95, 0.95, 0.95),
            )


def _flower(p: Pen) -> None:
    petal = p.pick(BRIGHT, usual=3)
    p.line([(0, 0), (0.02, 0.35), (0, 0.65)], 0.045, (0.25, 0.5, 0.2))
    p.poly([(0, 0.2), (0.25, 0.42), (0.3, 0.3), (0.1, 0.16)], (0.28, 0.55, 0.22))
    p.poly([(0, 0.12), (-0.25, 0.34), (-0.3, 0.2), (-0.1, 0.08)], (0.24, 0.48, 0.2))
    for k in range(8):
        a = k * math.pi / 4
        p.disc(
            0.19 * math.cos(a), 0.72 + 0.19 * math.sin(a), 0.115, shade(petal, 0.85 + 0.2 * (k % 2))
        )
    p.disc(0, 0.72, 0.12, (0.92, 0.72, 0.2))


def _cup(p: Pen) -> None:
    china = p.pick(BRIGHT, usual=4)
    p.disc(0, 0.08, 0.62, shade(china, 0.92), 0.13)
    p.disc(0, 0.1, 0.42, shade(china, 0.75), 0.08)
    p.disc(0.45, 0.5, 0.17, china)
    p.disc(0.45, 0.5, 0.1, shade(china, 0.5))
    p.poly([(-0.42, 0.78), (0.42, 0.78), (0.26, 0.12), (-0.26, 0.12)], china)
    p.disc(0, 0.78, 0.42, shade(china, 1.08), 0.15)
    p.disc(0, 0.77, 0.36, p.pick(((0.36, 0.22, 0.12), (0.55, 0.36, 0.2), (0.30, 0.18, 0.1))), 0.11)
    p.disc(-0.05, 0.77, 0.14, (0.82, 0.66, 0.46), 0.045)
    p.line([(-0.31, 0.6), (-0.2, 0.2)], 0.04, shade(china, 1.25))


def _person(p: Pen) -> None:
    skin, cloth, hair = p.pick(SKIN), p.pick(BRIGHT, usual=6), p.pick(FUR)
    p.poly([(-0.55, 0), (0.55, 0), (0.45, 0.32), (0.15, 0.42), (-0.15, 0.42), (-0.45, 0.32)], cloth)
    if p.rng.random() < 0.5:
        p.disc(0, 0.68, 0.27, shade(hair, 0.9), 0.36)
    p.poly([(-0.09, 0.34), (0.09, 0.34), (0.09, 0.5), (-0.09, 0.5)], shade(skin, 0.85))
    p.disc(0, 0.68, 0.21, skin, 0.26)
    p.poly(
        [
            (-0.24, 0.7),
            (-0.2, 0.95),
            (0, 1.0),
            (0.2, 0.95),
            (0.24, 0.7),
            (0.12, 0.84),
            (-0.1, 0.86),
        ],
        hair,
    )
    for x in (-0.08, 0.08):
        p.disc(x, 0.7, 0.035, (0.97, 0.97, 0.97), 0.022)
        p.disc(x, 0.7, 0.018, DARK)
        p.line([(x - 0.045, 0.755), (x + 0.045, 0.76)], 0.018, shade(hair, 0.7))
    p.line([(0, 0.69), (0.02, 0.61), (-0.01, 0.61)], 0.014, shade(skin, 0.7))
    p.poly([(-0.07, 0.55), (0.07, 0.55), (0.03, 0.52), (-0.03, 0.52)], (0.75, 0.3, 0.3))


def _car(p: Pen) -> None:
    paint = p.pick(BRIGHT)
    p.poly([(-0.7, 0.12), (0.72, 0.12), (0.7, 0.36), (0.4, 0.4), (-0.66, 0.4)], paint)
    p.poly([(-0.45, 0.4), (0.35, 0.4), (0.18, 0.66), (-0.3, 0.66)], shade(paint, 0.85))
    p.poly([(-0.38, 0.41), (-0.05, 0.41), (-0.05, 0.61), (-0.27, 0.61)], (0.65, 0.78, 0.86))
    p.poly([(0.0, 0.41), (0.28, 0.41), (0.15, 0.61), (0.0, 0.61)], (0.65, 0.78, 0.86))
    for x in (-0.4, 0.42):
        p.disc(x, 0.12, 0.14, DARK)
        p.disc(x, 0.12, 0.07, (0.7, 0.7, 0.72))
    p.box(0.64, 0.24, 0.72, 0.32, (0.98, 0.92, 0.6), emit=True)


def _bird(p: Pen) -> None:
    body = p.pick(BRIGHT, usual=1)
    p.line([(-0.05, 0), (-0.02, 0.25)], 0.025, (0.8, 0.55, 0.2))
    p.line([(0.08, 0), (0.06, 0.25)], 0.025, (0.8, 0.55, 0.2))
    p.poly([(0.2, 0.4), (0.62, 0.2), (0.6, 0.34), (0.25, 0.58)], shade(body, 0.7))
    p.disc(0.02, 0.46, 0.3, body, 0.24)
    p.disc(0.0, 0.38, 0.2, (0.95, 0.90, 0.80), 0.14)
    p.poly([(0.0, 0.55), (0.35, 0.5), (0.3, 0.34), (0.08, 0.38)], shade(body, 0.8))
    p.disc(-0.22, 0.75, 0.18, body)
    p.poly([(-0.38, 0.78), (-0.38, 0.69), (-0.56, 0.72)], (0.95, 0.65, 0.15))
    p.disc(-0.27, 0.79, 0.03, DARK)


def _mushroom(p: Pen) -> None:
    cap = p.pick(((0.82, 0.18, 0.14), (0.70, 0.45, 0.25), (0.85, 0.55, 0.2)))
    p.poly([(-0.16, 0), (0.16, 0), (0.11, 0.55), (-0.11, 0.55)], (0.93, 0.89, 0.80))
    top = [
        (0.52 * math.cos(t), 0.48 + 0.46 * math.sin(t))
        for t in np.linspace(0, math.pi, 16).tolist()
    ]
    p.poly(top, cap)
    p.disc(0, 0.48, 0.52, (0.85, 0.78, 0.66), 0.06)
    for x, y, r in ((-0.25, 0.65, 0.07), (0.05, 0.8, 0.08), (0.28, 0.62, 0.06), (0.0, 0.6, 0.05)):
        p.disc(x, y, r, (0.97, 0.95, 0.9))


def _snowman(p: Pen) -> None:
    snow: Colour = (0.95, 0.96, 0.98)
    for y, r in ((0.22, 0.26), (0.55, 0.19), (0.79, 0.14)):
        p.disc(0, y, r, snow)
    p.line([(-0.17, 0.58), (-0.45, 0.72)], 0.03, WOOD)
    p.line([(0.17, 0.58), (0.45, 0.72)], 0.03, WOOD)
    p.line([(-0.14, 0.67), (0.14, 0.67)], 0.06, p.pick(BRIGHT))
    p.poly([(0, 0.8), (0, 0.76), (0.2, 0.77)], (0.95, 0.5, 0.1))
    for x in (-0.05, 0.06):
        p.disc(x, 0.84, 0.022, DARK)
    p.box(-0.17, 0.9, 0.17, 0.93, DARK)
    p.box(-0.11, 0.93, 0.11, 1.06, DARK)


def _balloon(p: Pen) -> None:
    a, b = p.pick(BRIGHT), p.pick(BRIGHT, usual=1)
    turns = np.linspace(0, 2 * math.pi, 33)
    for i in range(5):
        w = 0.38 * (1 - 0.22 * i)
        ring = [(w * math.cos(t), 0.66 + 0.34 * math.sin(t)) for t in turns.tolist()]
        p.poly(ring, a if i % 2 == 0 else b)
    p.poly([(-0.27, 0.43), (0.27, 0.43), (0.08, 0.2), (-0.08, 0.2)], shade(a, 0.8), emit=True)
    p.line([(-0.07, 0.22), (-0.06, 0.1)], 0.012, DARK)
    p.line([(0.07, 0.22), (0.06, 0.1)], 0.012, DARK)
    p.box(-0.08, 0.0, 0.08, 0.11, WOOD)


def pine(p: Pen) -> None:
    """A fir; a prop, not a subject."""
    p.box(-0.04, 0, 0.04, 0.2, WOOD)
    green = shade(p.leaf, 0.75)
    for y, w in ((0.14, 0.32), (0.38, 0.25), (0.62, 0.17)):
        p.poly([(-w, y), (w, y), (0, y + 0.38)], shade(green, 0.85 + 0.4 * y))


SUBJECTS: dict[str, Callable[[Pen], None]] = {
    "house": _house,
    "boat": _boat,
    "tree": tree,
    "castle": _castle,
    "lighthouse": _lighthouse,
    "windmill": _windmill,
    "bridge": _bridge,
    "church": _church,
    "tower": _tower,
    "tent": _tent,
    "cat": _cat,
    "flower": _flower,
    "cabin": _cabin,
    "cup": _cup,
    "person": _person,
    "car": _car,
    "bird": _bird,
    "mushroom": _mushroom,
    "snowman": _snowman,
    "balloon": _balloon,
}
"""Every subject by name; the order is part of what a seed means."""
