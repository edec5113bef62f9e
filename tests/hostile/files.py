"""All hostile files, generated: the collection that the tests and the table run through."""

from collections.abc import Iterator

from tests.hostile import bombs, broken, kinds
from tests.hostile.build import Hostile

GROUPS = {
    "no picture": broken.no_pictures,
    "cut off": broken.cut_off,
    "malformed": broken.malformed,
    "too large": bombs.too_large,
    "bombs": bombs.bombs,
    "frames": bombs.frames,
    "shapes": bombs.shapes,
    "orientation": kinds.orientations,
    "depth": kinds.depths,
    "transparency": kinds.transparency,
    "colour": kinds.colours,
    "layout": kinds.layouts,
}


def hostile_files() -> Iterator[tuple[str, Hostile]]:
    """Every file with the name of its group."""
    for group, files in GROUPS.items():
        for one in files():
            yield group, one
