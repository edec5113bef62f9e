"""What people say when they want a picture edited: many wordings for each task."""

import random

from inference.training.captions import STYLE_WORDS, caption, content
from inference.training.data import Facts

WORDINGS: dict[str, tuple[str, ...]] = {
    "colourise": (
        "colorize",
        "colourise",
        "colorise",
        "colorize this",
        "colourise it",
        "colorize the photo",
        "colourise the picture",
        "add colour",
        "add color",
        "add colours",
        "give it colour",
        "make it colour",
        "make it a colour photo",
        "put colour into it",
        "restore the colours",
        "bring back the colors",
        "turn the black and white picture into colour",
        "from black and white to color",
        "in colour",
    ),
    "denoise": (
        "denoise",
        "remove the noise",
        "remove noise",
        "denoise this",
        "denoise the photo",
        "clean it up",
        "clean up the noise",
        "get rid of the grain",
        "remove the grain",
        "less noise",
        "make it clean",
        "smooth away the noise",
        "reduce noise",
    ),
    "sharpen": (
        "sharpen",
        "sharpen it",
        "make it sharper",
        "make it sharp",
        "remove the blur",
        "deblur",
        "deblur the photo",
        "fix the focus",
        "it is blurry, make it sharp",
        "more detail",
        "enhance the details",
    ),
    "upscale": (
        "upscale",
        "upscale it",
        "super resolution",
        "double the resolution",
        "2x upscale",
        "higher resolution",
        "increase the resolution",
        "make it high resolution",
        "enhance",
        "sharpen",
        "make it sharper",
    ),
    "inpaint": (
        "inpaint",
        "inpaint the hole",
        "fill the hole",
        "fill in the hole",
        "fill the gap",
        "fill in the missing part",
        "complete the picture",
        "paint what is missing",
        "remove the patch",
        "restore the missing part",
        "repair the picture",
        "make it whole",
    ),
}
"""Tasks whose result does not depend on further words."""

TO_STYLE = (
    "make it {a}",
    "make this {a}",
    "turn it into {a}",
    "turn this into {a}",
    "as {a}",
    "in the style of {a}",
    "change the style to {noun}",
    "restyle it as {a}",
    "paint it as {a}",
    "convert to {noun}",
    "{noun}",
    "{noun} style",
)
FROM_SKETCH = (
    "turn the sketch into {a}",
    "turn my sketch into {a}",
    "turn this drawing into {a}",
    "make my drawing {a}",
    "from sketch to {noun}",
    "draw this as {a}",
    "make {a} of this drawing",
    "finish the drawing as {a}",
    "sketch to {noun}",
)


def from_sketch(rng: random.Random) -> str:
    """Words that ask for a photograph of what a drawing shows, whatever it is."""
    noun = rng.choice(STYLE_WORDS["photo"])
    return _polite(rng.choice(FROM_SKETCH).format(noun=noun, a=_with_article(noun)), rng)


def instruction(task: str, facts: Facts, rng: random.Random) -> str:
    """Words that ask for the picture that `facts` describe.

    task: a key of `WORDINGS`, or "restyle" or "sketch", whose words name the style.
    """
    if task in WORDINGS:
        said = rng.choice(WORDINGS[task])
        what = content(facts, rng) if rng.random() < 0.25 else ""
        if what:
            said = rng.choice((f"{said}: {what}", f"{said}, {what}", f"{said} of {what}"))
    else:
        said = _styled(task, facts, rng)
    return _polite(said, rng)


def _polite(said: str, rng: random.Random) -> str:
    if rng.random() < 0.1:
        said = rng.choice((f"please {said}", f"{said} please", f"can you {said}?", f"{said}."))
    return said.capitalize() if rng.random() < 0.2 else said


def _with_article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def _styled(task: str, facts: Facts, rng: random.Random) -> str:
    """The style in an instruction, or a caption as for a picture from nothing."""
    if rng.random() < (0.4 if task == "sketch" else 0.3):
        return caption(facts, rng)
    noun = rng.choice(STYLE_WORDS[facts.style])
    said = rng.choice(FROM_SKETCH if task == "sketch" and rng.random() < 0.8 else TO_STYLE)
    said = said.format(noun=noun, a=_with_article(noun))
    what = content(facts, rng) if rng.random() < 0.3 else ""
    return f"{said}, {what}" if what else said
