"""Presets: a name for words around a prompt, with the strength and the guidance that suit them."""

from dataclasses import dataclass

from inference.errors import RequestError
from inference.request import MAX_GUIDANCE, MAX_PROMPT

MAX_NAME = 40
MAX_WORDS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """Words that go before and after a prompt, and what suits them.

    name: 1…MAX_NAME characters. prefix, suffix, negative_prompt: at most MAX_WORDS characters each.
    strength: 0…1, guidance: 0…MAX_GUIDANCE; None leaves them to others.

    Raises RequestError from the constructor.
    """

    name: str
    prefix: str = ""
    suffix: str = ""
    negative_prompt: str = ""
    strength: float | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > MAX_NAME:
            raise RequestError(f"A preset's name has 1 to {MAX_NAME} characters.")
        for what, words in (
            ("prefix", self.prefix),
            ("suffix", self.suffix),
            ("negative prompt", self.negative_prompt),
        ):
            if len(words) > MAX_WORDS:
                raise RequestError(
                    f"The preset's {what} has {len(words)} characters; "
                    f"at most {MAX_WORDS} are allowed."
                )
        _within("strength", self.strength, 1)
        _within("guidance", self.guidance, MAX_GUIDANCE)

    def around(self, prompt: str) -> str:
        """The prompt with the preset's words. Raises RequestError where that is too long."""
        words = " ".join(part for part in (self.prefix.strip(), prompt.strip()) if part)
        return self._fitting(", ".join(part for part in (words, self.suffix.strip()) if part))

    def without(self, negative_prompt: str) -> str:
        """The negative prompt with the preset's. Raises RequestError where that is too long."""
        parts = (negative_prompt.strip(), self.negative_prompt.strip())
        return self._fitting(", ".join(part for part in parts if part))

    def _fitting(self, text: str) -> str:
        if len(text) > MAX_PROMPT:
            raise RequestError(
                f"With the preset “{self.name}” the prompt has {len(text)} characters; "
                f"at most {MAX_PROMPT} are allowed."
            )
        return text


def _within(what: str, value: float | None, high: float) -> None:
    if value is not None and not 0 <= value <= high:
        nearest = 0 if value < 0 else high
        raise RequestError(
            f"The preset's {what} {value:g} is outside 0 to {high:g}; "
            f"the nearest allowed value is {nearest:g}."
        )


BUILT_IN: tuple[Preset, ...] = (
    Preset(
        name="watercolour",
        prefix="watercolour painting of",
        suffix="loose washes, white paper showing through",
        negative_prompt="photograph",
        strength=0.6,
    ),
    Preset(
        name="ink",
        prefix="ink drawing of",
        suffix="black lines on white paper, hatching",
        negative_prompt="colour, photograph",
        strength=0.65,
    ),
    Preset(
        name="pencil",
        prefix="pencil sketch of",
        suffix="graphite on paper, soft shading",
        negative_prompt="colour, photograph",
        strength=0.6,
    ),
    Preset(
        name="oil",
        prefix="oil painting of",
        suffix="thick brush strokes on canvas",
        negative_prompt="photograph, flat",
        strength=0.6,
    ),
    Preset(
        name="pixel art",
        prefix="pixel art of",
        suffix="few colours, crisp pixels, 16-bit game",
        negative_prompt="blurry, photograph",
        strength=0.7,
    ),
    Preset(
        name="comic",
        prefix="comic book panel of",
        suffix="bold outlines, flat colours, halftone dots",
        negative_prompt="photograph, blurry",
        strength=0.6,
    ),
    Preset(
        name="neon",
        prefix="neon sign of",
        suffix="glowing tubes on a dark wall",
        negative_prompt="daylight",
        strength=0.75,
    ),
    Preset(
        name="cyberpunk",
        suffix="cyberpunk city at night, neon light, rain, reflections",
        negative_prompt="daylight, rural",
        strength=0.65,
    ),
    Preset(
        name="ukiyo-e",
        prefix="ukiyo-e woodblock print of",
        suffix="flat colours, fine outlines, washi paper",
        negative_prompt="photograph, 3d",
        strength=0.7,
    ),
    Preset(
        name="blueprint",
        prefix="blueprint of",
        suffix="white technical lines on blue paper",
        negative_prompt="colourful, photograph",
        strength=0.75,
    ),
    Preset(
        name="stained glass",
        prefix="stained glass window of",
        suffix="lead lines, glowing coloured glass",
        negative_prompt="photograph, blurry",
        strength=0.7,
    ),
    Preset(
        name="claymation",
        prefix="claymation scene of",
        suffix="plasticine figures, fingerprints, studio light",
        negative_prompt="drawing, flat",
        strength=0.7,
    ),
    Preset(
        name="low poly",
        prefix="low poly render of",
        suffix="large flat triangles, soft light",
        negative_prompt="photograph, noisy",
        strength=0.65,
    ),
    Preset(
        name="art nouveau",
        prefix="art nouveau poster of",
        suffix="flowing ornament, muted colours",
        negative_prompt="photograph, 3d",
        strength=0.65,
    ),
    Preset(
        name="photograph",
        prefix="photograph of",
        suffix="natural light, sharp focus",
        negative_prompt="drawing, painting, cartoon",
        strength=0.5,
    ),
)
"""With all of them the guidance is the model's own: what suits differs by model, not by style."""
