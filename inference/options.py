"""What a task can be asked for beside what every request has: plain values, validated.

They travel in a recipe as `Recipe.options`; the task's name says of which class they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from inference.errors import RequestError
from inference.limits import MAX_SIDE, one_of, within
from inference.sizes import result_size

LOOPS = (2, 8)
SPREADS = (0.05, 0.1, 0.25)
MOST_BLUR = 64
MOST_PADDING = 256
MOST_GROWTH = 1.0
FACTORS = (2, 4)
MOST_CREATIVE = 0.6
TILED = 1.8
MOST_SIGMA = 100.0
MOST_IMAGE_GUIDANCE = 10.0
MAX_INDEX = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskOptions:
    """Base of them all.

    second: what a second picture is called, "" where the task takes none.
    second_needed: whether it cannot do without.
    has_strength: whether a strength means anything.
    patched: whether what is painted is put into a picture that may be larger than the model
        paints.
    """

    second: ClassVar[str] = ""
    second_needed: ClassVar[bool] = False
    has_strength: ClassVar[bool] = True
    patched: ClassVar[bool] = False

    @property
    def paints(self) -> bool:
        """Whether a model is needed; what is only calculated costs next to nothing."""
        return True

    def size(self, source: tuple[int, int], budget: int) -> tuple[int, int]:
        """Width and height of the result. source: of the source; budget: of the model, pixels.

        Raises RequestError where it would be beyond a limit.
        """
        return result_size(*source, budget)

    def pictures(self, count: int) -> float:
        """How many pictures' work `count` results are, for the price."""
        return count

    def strength(self, asked: float) -> float:
        """At which a model paints. asked: the recipe's, which counts where `has_strength`."""
        return asked

    @property
    def one_seed(self) -> bool:
        """Whether all pictures of a request have its seed; else each has the next one."""
        return False

    def single(self, index: int) -> Self:
        """Of picture `index` (0-based) alone."""
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Loopback(TaskOptions):
    """The result becomes the source again. times: how often it is painted over in all, LOOPS."""

    times: int = 3

    def __post_init__(self) -> None:
        within("times", self.times, *LOOPS)

    def pictures(self, count: int) -> float:
        """Each result is painted `times` times."""
        return count * self.times


@dataclass(frozen=True, kw_only=True, slots=True)
class Variations(TaskOptions):
    """Pictures near that of the seed, which all of them have.

    spread: how far off, 0…1; usual are SPREADS. index: which of them the first one is, 0…MAX_INDEX:
    each index leads another way.
    """

    spread: float = 0.1
    index: int = 0

    def __post_init__(self) -> None:
        within("spread", self.spread, 0, 1)
        within("index", self.index, 0, MAX_INDEX)

    @property
    def one_seed(self) -> bool:
        """Yes."""
        return True

    def single(self, index: int) -> "Variations":
        """With the index counted on."""
        return replace(self, index=self.index + index)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inpaint(TaskOptions):
    """Only what the mask shows is painted; its pixels beyond `blur` are the source's exactly.

    The mask is the second picture, white where to paint, or where the source is transparent.
    blur: of the mask's edge, a radius in the source's pixels. invert: paint all but the mask.
    area: "whole", the picture at the model's size, or "masked", the mask's surroundings alone.
    padding: pixels of the source around the mask that "masked" sees.
    content: what lies under the mask before it is painted: "original", "fill", "noise".
    """

    second: ClassVar[str] = "mask"
    patched: ClassVar[bool] = True

    blur: int = 4
    padding: int = 32
    invert: bool = False
    area: str = "whole"
    content: str = "original"

    def __post_init__(self) -> None:
        within("blur", self.blur, 0, MOST_BLUR)
        within("padding", self.padding, 0, MOST_PADDING)
        one_of("area", self.area, ("whole", "masked"))
        one_of("masked content", self.content, ("original", "fill", "noise"))

    def size(self, source: tuple[int, int], budget: int) -> tuple[int, int]:
        """The source's own."""
        return source


@dataclass(frozen=True, kw_only=True, slots=True)
class Outpaint(TaskOptions):
    """New ground at the source's sides, each a share of its width or height; one has some."""

    patched: ClassVar[bool] = True

    left: float = 0.0
    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0

    def __post_init__(self) -> None:
        for name in ("left", "top", "right", "bottom"):
            within(name, getattr(self, name), 0, MOST_GROWTH)
        if not any((self.left, self.top, self.right, self.bottom)):
            raise RequestError("Outpainting needs at least one side to grow by more than 0.")

    def margins(self, source: tuple[int, int]) -> tuple[int, int, int, int]:
        """How many pixels are new at the left, the top, the right and the bottom of a source."""
        width, height = source
        return (
            _share(self.left, width),
            _share(self.top, height),
            _share(self.right, width),
            _share(self.bottom, height),
        )

    def size(self, source: tuple[int, int], budget: int) -> tuple[int, int]:
        """The source's and what is added. Raises RequestError beyond MAX_SIDE."""
        left, top, right, bottom = self.margins(source)
        wide = _grown("wide", source[0], left + right)
        return wide, _grown("high", source[1], top + bottom)

    def pictures(self, count: int) -> float:
        """One for each side that grows: it is painted by itself."""
        return count * sum(side > 0 for side in (self.left, self.top, self.right, self.bottom))


def _share(share: float, side: int) -> int:
    """In pixels, at least 1 of a side that grows at all."""
    return max(1, round(share * side)) if share else 0


def _grown(name: str, side: int, more: int) -> int:
    if side + more > MAX_SIDE:
        room = max(0, MAX_SIDE - side)
        raise RequestError(
            f"The picture would be {side + more} pixels {name}, and at most {MAX_SIDE} are "
            f"allowed; it can grow by {room} pixels, {100 * room // side} %."
        )
    return side + more


@dataclass(frozen=True, kw_only=True, slots=True)
class Upscale(TaskOptions):
    """A larger picture. factor: one of FACTORS. creativity: 0…1, 0 adds nothing of its own."""

    has_strength: ClassVar[bool] = False

    factor: int = 2
    creativity: float = 0.0

    def __post_init__(self) -> None:
        one_of("factor", self.factor, FACTORS)
        within("creativity", self.creativity, 0, 1)

    @property
    def paints(self) -> bool:
        """With creativity only."""
        return self.creativity > 0

    def size(self, source: tuple[int, int], budget: int) -> tuple[int, int]:
        """`factor` times the source's. Raises RequestError beyond MAX_SIDE."""
        if max(source) * self.factor > MAX_SIDE:
            fits = [factor for factor in FACTORS if max(source) * factor <= MAX_SIDE]
            nearest = f"{fits[-1]}× fits" if fits else f"it has to be {MAX_SIDE // 2} or less"
            raise RequestError(
                f"A side of {max(source)} pixels cannot become {self.factor}× as long: at most "
                f"{MAX_SIDE} are allowed; {nearest}."
            )
        return source[0] * self.factor, source[1] * self.factor

    def pictures(self, count: int) -> float:
        """Tiles overlap: about so much more is painted than is seen."""
        return count * TILED

    def strength(self, asked: float) -> float:
        """MOST_CREATIVE at creativity 1, in proportion below."""
        return MOST_CREATIVE * self.creativity


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoise(TaskOptions):
    """sigma: the noise's standard deviation, of 255; None: estimated from the picture."""

    has_strength: ClassVar[bool] = False

    sigma: float | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None:
            within("amount", self.sigma, 0, MOST_SIGMA)

    @property
    def paints(self) -> bool:
        """Never."""
        return False

    def size(self, source: tuple[int, int], budget: int) -> tuple[int, int]:
        """The source's own."""
        return source


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit(TaskOptions):
    """The prompt is an instruction. image_guidance: how closely the source is kept; 1 is none."""

    has_strength: ClassVar[bool] = False

    image_guidance: float = 1.5

    def __post_init__(self) -> None:
        within("image guidance", self.image_guidance, 1, MOST_IMAGE_GUIDANCE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Blend(TaskOptions):
    """Two pictures in one. balance: 0…1, how much is of the second one."""

    second: ClassVar[str] = "other picture"
    second_needed: ClassVar[bool] = True

    balance: float = 0.5

    def __post_init__(self) -> None:
        within("balance", self.balance, 0, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Style(TaskOptions):
    """The second picture's look. scale: 0…1, how much of it. keep: what is taken of it."""

    second: ClassVar[str] = "style picture"
    second_needed: ClassVar[bool] = True

    scale: float = 0.8
    keep: str = "style"

    def __post_init__(self) -> None:
        within("scale", self.scale, 0, 1)
        one_of("keep", self.keep, ("style", "composition", "both"))


OPTIONS: Mapping[str, type[TaskOptions]] = {
    "loopback": Loopback,
    "variations": Variations,
    "inpaint": Inpaint,
    "outpaint": Outpaint,
    "upscale": Upscale,
    "denoise": Denoise,
    "edit": Edit,
    "blend": Blend,
    "style": Style,
}
"""By the task's name; the other tasks have none."""
