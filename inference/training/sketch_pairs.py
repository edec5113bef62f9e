"""Drawings and the pictures that they show, for the pix2pix model that paints them.

Pencil and ink tell light from dark, and so the time and the weather. Bare lines tell neither, nor
whether a cat is black; a model that is shown them with all kinds of light and colour paints a mean
of it, or patches of each. What is drawn in lines is therefore always a clear day in summer, in the
colours that things usually have, unless a child's crayon says another.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from inference.tasks.sketch import clean_drawing
from inference.training.data import Pixels
from inference.training.drawings import FILLED, child_drawing, line_drawing, pen_drawing
from inference.training.gan_data import Pairs
from inference.training.photographs import Photograph
from inference.training.rendering import outlines, photograph
from inference.training.scenes import Scenery, picture_of, pile
from inference.training.styles import stylise
from inference.training.world import HELD_OUT, Scene, scene

SIDE = 256
"""That of what members' drawings are scaled to, pixels; only so is a large subject seen whole."""
SHADED = {"pencil": 0.5, "ink": 0.5}
"""Drawings that tell the light, and how often each is drawn of those."""
LINED = {"pen": 0.4, "child": 0.3, "line": 0.3}
"""Drawings that do not, likewise: of exact outlines, and of what a filter finds in the picture."""
DRAWINGS = (*SHADED, *LINED)
FILTERS = tuple(kind for kind in DRAWINGS if kind != "pen")
"""What can be made of any picture; a pen needs a scene's outlines."""
LINED_SHARE = 0.75
CLEANED = 0.7
"""Share of the drawings that are seen as the task sketch hands them on, on clean paper."""


def fair(it: Scene) -> Scene:
    """The same on a clear day in summer; every other one with nothing around its subject."""
    props = it.props if it.seed % 2 else ()
    return replace(it, time="day", season="summer", weather="clear", props=props)


def fair_picture(seed: int, size: tuple[int, int], *, usual: bool = True) -> Pixels:
    """The scene of a seed as such, and in a fourth channel its outlines: uint8 [h, w, 4]; in the
    colours that things usually have, or in its own.
    """
    it = fair(scene(seed))
    if usual:
        it = replace(it, usual_colours=True, tint=(1.0, 1.0, 1.0))
    picture = (photograph(it, size) * 255 + 0.5).astype(np.uint8)
    return np.dstack([picture, outlines(it, size)])


def fair_pile(
    folder: Path, seeds: range, side: int, processes: int = 1, *, usual: bool = True
) -> Pixels:
    """Those of many seeds, uint8 [n, side, side, 4], rendered once and then kept in `folder`."""
    make, name = partial(fair_picture, usual=usual), "usual" if usual else "fair"
    return pile(folder, seeds, side, processes, make=make, name=name, channels=4)


def sketch(picture: Pixels, kind: str, rng: np.random.Generator) -> Pixels:
    """Any picture drawn in the hand `kind`, one of FILTERS."""
    body = picture.astype(np.float32) / 255
    if kind == "line":
        return _bytes(line_drawing(body, rng))
    if kind == "child":
        return _bytes(child_drawing(body, rng))
    return _bytes(stylise(body, kind, int(rng.integers(2**31))))


def drawn_pair(
    seed: int, kind: str, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """A drawing of a seed's scene, by one of DRAWINGS, and what it shows."""
    if kind in SHADED:
        picture = picture_of(seed, size)
        return sketch(picture, kind, rng), picture
    coloured = _coloured(kind, rng)
    return _lined(fair_picture(seed, size, usual=not coloured), kind, rng, coloured)


def sketch_pairs(
    folder: Path, scenes: int, photos: Sequence[Photograph], processes: int, side: int = SIDE
) -> "SketchPairs":
    """Pairs of so many scenes of the world, which are kept in `folder`: a third of them for shaded
    drawings, half for lines, a sixth for coloured ones; and of photographs.
    """
    shaded = max(1, scenes // 3)
    coloured = shaded + max(1, scenes // 6)
    pictures = pile(folder, range(shaded), side, processes)
    own = fair_pile(folder, range(shaded, coloured), side, processes, usual=False)
    usual = fair_pile(folder, range(coloured, max(scenes, coloured + 1)), side, processes)
    return SketchPairs(Scenery([pictures], photos, photo_share=0.1), usual, own, side=side)


class SketchPairs:
    """Drawings, and what was drawn."""

    def __init__(
        self,
        scenery: Scenery,
        usual: Pixels,
        own: Pixels,
        *,
        side: int = SIDE,
        watched: int = 32,
    ) -> None:
        """`usual` and `own` are piles as `fair_pile` gives them, in usual colours and in those of
        their own, of `side` or more. `watched` held-out scenes are kept; pictures are squares of
        `side` pixels.
        """
        self._scenery, self._usual, self._own, self._side = scenery, usual, own, side
        rng = np.random.default_rng((29, HELD_OUT))
        pairs = [
            drawn_pair(HELD_OUT + i, DRAWINGS[i % len(DRAWINGS)], (side, side), rng)
            for i in range(watched)
        ]
        self._held = np.stack([_seen(a, rng) for a, _ in pairs]), np.stack([b for _, b in pairs])

    def _one(self, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        if rng.random() < LINED_SHARE:
            kind = str(rng.choice(list(LINED), p=list(LINED.values())))
            coloured = _coloured(kind, rng)
            crop = self._crop(self._own if coloured else self._usual, rng)
            return _lined(crop, kind, rng, coloured)
        kind = str(rng.choice(list(SHADED), p=list(SHADED.values())))
        picture = self._scenery.crop(self._side, rng)
        return sketch(picture, kind, rng), picture

    def _crop(self, pile: Pixels, rng: np.random.Generator) -> Pixels:
        """A square of a fair scene, at times mirrored."""
        whole = pile[int(rng.integers(len(pile)))]
        if rng.random() < 0.5:
            whole = whole[:, ::-1]
        y, x = (int(rng.integers(0, n - self._side + 1)) for n in whole.shape[:2])
        return np.ascontiguousarray(whole[y : y + self._side, x : x + self._side])

    def batch(self, count: int, rng: np.random.Generator) -> Pairs:
        """Random crops."""
        pairs = [self._one(rng) for _ in range(count)]
        return np.stack([_seen(a, rng) for a, _ in pairs]), np.stack([b for _, b in pairs])

    def held_out(self) -> Pairs:
        """Whole scenes of held-out seeds, in every hand."""
        return self._held


def _coloured(kind: str, rng: np.random.Generator) -> bool:
    """Whether a drawing tells colours: by the dice where a child may fill it in."""
    return kind == "child" and bool(rng.random() < FILLED)


def _lined(
    both: Pixels, kind: str, rng: np.random.Generator, coloured: bool
) -> tuple[Pixels, Pixels]:
    picture = np.ascontiguousarray(both[..., :3])
    if kind == "pen":
        return _bytes(pen_drawing(both[..., 3], rng)), picture
    if kind == "child":
        body = picture.astype(np.float32) / 255
        return _bytes(child_drawing(body, rng, filled=coloured)), picture
    return sketch(picture, kind, rng), picture


def _seen(drawn: Pixels, rng: np.random.Generator) -> Pixels:
    if rng.random() >= CLEANED:
        return drawn
    return np.asarray(clean_drawing(Image.fromarray(drawn)))


def _bytes(drawn: np.ndarray) -> Pixels:
    return (np.clip(drawn, 0, 1) * 255 + 0.5).astype(np.uint8)
