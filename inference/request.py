"""What is asked of a model: a recipe of plain values, and a request, a recipe with its picture.

Both are frozen, validated and picklable, and priced before anything runs.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from inference.errors import RequestError
from inference.limits import MAX_SIDE, MIN_SIDE, SIDE_MULTIPLE, one_of, within
from inference.loras import LoraUse, in_order
from inference.options import OPTIONS, TaskOptions
from inference.sizes import result_size

TASKS = ("img2img", "sketch", "colorize", *OPTIONS)

MAX_PROMPT = 2000
MAX_STEPS = 150
MAX_GUIDANCE = 30.0
MAX_SEED = 2**32 - 1
MAX_COUNT = 10

LADDER = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""The strengths of a usual ladder, see `Recipe.strengths`."""

TASK_STRENGTHS = {
    "sketch": 0.8,
    "inpaint": 0.9,
    "outpaint": 0.95,
    "blend": 0.5,
    "upscale": 0.3,
    "edit": 1.0,
}
"""The strength that suits a task, where it is another than usual."""

STRENGTH_BANDS = {"subtle": 0.35, "balanced": 0.6, "bold": 0.75}

# A VAE pass in units of one UNet row at the same size (measured on SD 1.5 at
# 512²: 0.803 TFLOP a row, 2.515 a decode; an encode is about half a decode).
DECODE_COST = 3.0
ENCODE_COST = 1.5
CALCULATED_COST = 1.0
"""Likewise of what needs no model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything about a request but its pictures: what the job log keeps and a reroll changes.

    task: one of TASKS, see `inference.tasks`.
    prompt, negative_prompt: at most MAX_PROMPT characters each.
    strength: 0…1; how far the source is painted over. Of a ladder the largest of `strengths`.
    steps: 1…MAX_STEPS, the length of the full schedule.
    guidance: 0…MAX_GUIDANCE; at or below 1 no unconditional row is run.
    seed: 0…MAX_SEED; picture i of `count` uses seed + i (modulo MAX_SEED + 1).
    count: 1…MAX_COUNT pictures; of a ladder one for each strength.
    width, height: of the result, pixels. None: the source's aspect ratio within the model's
        pixel budget. Both or neither; multiples of 8.
    scheduler: a name from `inference.families.schedulers`, or None for the model's own.
    model: catalogue entry, hub repository or local folder.
    loras: adapters of the model and their weights, MAX_LORAS at most and each once; they are
        put in the order of their names.
    strengths: makes it a ladder: one picture for each, all of one seed. 1…MAX_COUNT of them,
        rising, above 0.
    match_colours: whether the result gets the mean and the spread of the source's colours.
    graded: whether its model knows a strength; one that follows instructions does not.
    options: what the task alone knows, of its class in `inference.options.OPTIONS`; None: the
        usual ones, or none for a task that has none.

    Raises RequestError from the constructor.
    """

    prompt: str
    task: str = "img2img"
    negative_prompt: str = ""
    strength: float = STRENGTH_BANDS["balanced"]
    steps: int = 20
    guidance: float = 5.0
    seed: int = 0
    count: int = 1
    width: int | None = None
    height: int | None = None
    scheduler: str | None = None
    model: str = "pocket"
    loras: tuple[LoraUse, ...] = ()
    strengths: tuple[float, ...] = ()
    match_colours: bool = False
    graded: bool = True
    options: TaskOptions | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "loras", in_order(self.loras))
        self._settle_ladder()
        one_of("task", self.task, TASKS)
        self._settle_options()
        for name, text in (("prompt", self.prompt), ("negative prompt", self.negative_prompt)):
            if len(text) > MAX_PROMPT:
                raise RequestError(
                    f"The {name} has {len(text)} characters; at most {MAX_PROMPT} are allowed."
                )
        within("strength", self.strength, 0, 1)
        within("steps", self.steps, 1, MAX_STEPS)
        within("guidance", self.guidance, 0, MAX_GUIDANCE)
        within("seed", self.seed, 0, MAX_SEED)
        within("count", self.count, 1, MAX_COUNT)
        if (self.width is None) != (self.height is None):
            raise RequestError("Give both width and height, or neither.")
        for name, side in (("width", self.width), ("height", self.height)):
            if side is not None:
                self._check_side(name, side)

    def _settle_ladder(self) -> None:
        if not self.strengths:
            return
        for strength in self.strengths:
            within("strength", strength, 0, 1)
        if 0 in self.strengths or sorted(set(self.strengths)) != list(self.strengths):
            raise RequestError("The strengths of a ladder rise, and begin above 0.")
        object.__setattr__(self, "strength", self.strengths[-1])
        object.__setattr__(self, "count", len(self.strengths))

    def _settle_options(self) -> None:
        kind = OPTIONS.get(self.task)
        if kind is None:
            if self.options is not None:
                raise RequestError(f"The task “{self.task}” has no options of its own.")
            return
        if self.strengths:
            raise RequestError(f"There is no ladder of the task “{self.task}”; use /ladder.")
        if self.options is None:
            object.__setattr__(self, "options", kind())
        elif type(self.options) is not kind:
            raise RequestError(f"The options are not those of the task “{self.task}”.")

    @staticmethod
    def _check_side(name: str, side: int) -> None:
        within(name, side, MIN_SIDE, MAX_SIDE)
        if side % SIDE_MULTIPLE:
            nearest = round(side / SIDE_MULTIPLE) * SIDE_MULTIPLE
            raise RequestError(
                f"The {name} {side} is not a multiple of {SIDE_MULTIPLE}; "
                f"the nearest allowed value is {nearest}."
            )

    @property
    def steps_run(self) -> int:
        """Denoising steps that will run: diffusers' img2img entry, but at least 1 when s > 0.

        Of a ladder's last picture, which has the most.
        """
        strength = self.strength
        if self.options is not None:
            strength = self.options.strength(strength)
        if strength == 0:
            return 0
        return max(1, min(int(self.steps * strength), self.steps))

    @property
    def total_steps(self) -> int:
        """Denoising steps of all pictures together."""
        return sum(self.single(index).steps_run for index in range(self.count))

    def seed_of(self, index: int) -> int:
        """The seed of picture `index` (0-based)."""
        if self.strengths or (self.options is not None and self.options.one_seed):
            return self.seed
        return (self.seed + index) % (MAX_SEED + 1)

    def single(self, index: int) -> Self:
        """What makes picture `index` (0-based) alone."""
        if self.count == 1 and not self.strengths:
            return self
        strength = self.strengths[index] if self.strengths else self.strength
        options = None if self.options is None else self.options.single(index)
        return self.change(
            strengths=(), count=1, strength=strength, seed=self.seed_of(index), options=options
        )

    def size(self, source: tuple[int, int] | None, budget: int) -> tuple[int, int]:
        """Width and height of the pictures to come, pixels.

        source: of the source, None without one. budget: of the model. Raises RequestError.
        """
        if self.width is not None and self.height is not None:
            return self.width, self.height
        if self.options is not None and source is not None:
            return self.options.size(source, budget)
        return result_size(*(source or (1, 1)), budget)

    @property
    def has_strength(self) -> bool:
        """Whether the strength means anything to the model and to the task."""
        return self.graded and (self.options is None or self.options.has_strength)

    @property
    def paints(self) -> bool:
        """Whether the task needs the model."""
        return self.options is None or self.options.paints

    def painted(self, width: int, height: int, budget: int) -> tuple[int, int]:
        """Width and height of what a model paints for results of this size, for `cost`.

        budget: of the model, pixels.
        """
        if self.options is None or not self.options.patched or width * height <= budget:
            return width, height
        return result_size(width, height, budget)

    def cost(self, width: int, height: int) -> float:
        """The work in megapixel-rows, known before it runs: rows × steps × megapixels + VAE.

        width, height: of what is painted, in pixels. At strength 0 nothing runs and the cost is 0.
        """
        if not self.paints:
            return self.count * CALCULATED_COST * width * height / 1e6
        if self.steps_run == 0:
            return 0.0
        rows = 2 if self.guidance > 1 else 1
        passes = rows * self.total_steps + self.count * DECODE_COST + ENCODE_COST
        if self.options is not None:
            passes *= self.options.pictures(self.count) / self.count
        return passes * width * height / 1e6

    def change(self, **values: Any) -> Self:
        """A copy with some fields changed, validated again."""
        return replace(self, **values)

    def to_json(self) -> str:
        """As one JSON object, keys sorted; `Recipe.from_json` reads it back."""
        values = asdict(self)
        if self.options is None:
            del values["options"]
        if self.graded:  # as records have it that are older than the field
            del values["graded"]
        return json.dumps(values, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """The inverse of `to_json`. Raises RequestError where limits were tightened since."""
        values = dict(**json.loads(text))
        loras = tuple(LoraUse(**lora) for lora in values.pop("loras", ()))
        strengths = tuple(values.pop("strengths", ()))
        options = values.pop("options", None)
        if options is not None:
            options = OPTIONS[values["task"]](**options)
        return Recipe(**values, loras=loras, strengths=strengths, options=options)

    def with_picture(self, image: bytes | None, second: bytes | None = None) -> "GenerationRequest":
        """The request that this recipe, a normalised source and a second picture make."""
        values = {field.name: getattr(self, field.name) for field in fields(Recipe)}
        return GenerationRequest(**values, image=image, second=second)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest(Recipe):
    """One request, complete: with the same model it always gives the same pictures.

    image: the source as a PNG file that `inference.images.normalise` made, or None for
        text-to-image (then strength must be 1).
    second: another picture that the task takes, likewise; see `TaskOptions.second`.
    mask: where to paint, white, and where to keep the source, black: a PNG in L of the result's
        size, which only tasks make. None: everywhere.
    """

    image: bytes | None = None
    second: bytes | None = None
    mask: bytes | None = None

    def __post_init__(self) -> None:
        # super() without arguments does not work in a dataclass with slots.
        Recipe.__post_init__(self)
        if self.image is None and (self.strength < 1 or self.strengths):
            raise RequestError("Without a source picture the strength must be 1.")
        if self.image is None and self.mask is not None:
            raise RequestError("A mask needs a source picture.")
        if self.image is None and self.task not in ("img2img", "variations"):
            raise RequestError(f"The task “{self.task}” needs a source picture.")
        kind = OPTIONS.get(self.task, TaskOptions)
        if self.second is None and kind.second_needed:
            raise RequestError(f"The task “{self.task}” needs a second picture: the {kind.second}.")
        if self.second is not None and not kind.second:
            raise RequestError(f"The task “{self.task}” takes one picture; leave out the second.")

    @property
    def recipe(self) -> Recipe:
        """The request without its picture."""
        return Recipe(**{field.name: getattr(self, field.name) for field in fields(Recipe)})
